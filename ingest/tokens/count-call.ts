import { readConversation } from '../../core/conversation.js'
import type { StoredBody } from '../../core/exchange.js'
import type { Block, Conversation, Message } from '../../core/messages.js'
import { isObject, listAt, objectAt, textAt } from '../../core/providers/json-text.js'
import { cutMark, bodyText } from '../enrich/decode-body.js'
import { askedParts } from './asked-parts.js'
import { callBudget, countable, type Budget } from './countable.js'
import type { CountText } from './encodings.js'
import { imageSize } from './image-size.js'
import { imageTokens } from './image-tokens.js'
import { looseTexts } from './loose-texts.js'

/** Which of a call's figures nobody told. */
export interface Need {
  readonly input: boolean
  readonly output: boolean
}

/** What counting needs of a call. Bodies that are not needed are left out. */
export interface CallToCount {
  readonly api: string
  readonly model: string
  readonly streaming: boolean
  readonly need: Need
  readonly request: StoredBody | null
  readonly response: StoredBody | null
  /** Of the whole bodies, as relayed. */
  readonly reqBytes: number
  readonly resBytes: number
  /** Characters of text, thinking and tool arguments that were delivered. */
  readonly contentChars: number
}

/** Tokens counted by us. `null` = not needed, or there is nothing to count. */
export interface Counts {
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  /** `media_not_counted`, `context_not_counted`: the input is a lower bound. */
  readonly notes: readonly string[]
}

/** Where no tokenizer can look: four characters are about a token (cost.md §4). */
export const charsPerToken = 4
/** What a chat adds for each message, and once for the answer's beginning. */
export const tokensPerMessage = 3

const embedding = new Set(['embeddings', 'embed_content'])
/** Their prompt is text, without messages around it. */
const plain = new Set(['completions', 'speech', ...embedding])

/** Sums texts up to a budget; what lies beyond it is told by the ratio of characters. */
class Tally {
  private tokens = 0
  private counted = 0
  private chars = 0
  constructor(
    private readonly count: CountText,
    private readonly budget: Budget,
  ) {}

  add(text: string): void {
    this.chars += text.length
    if (this.budget.chars <= 0 || this.budget.steps <= 0) return
    const { pieces, chars } = countable(text, this.budget)
    this.counted += chars
    for (const piece of pieces) this.tokens += this.count(piece)
  }

  /** Characters that were added. */
  get length(): number {
    return this.chars
  }

  total(): number {
    return this.counted === 0 ? this.chars / charsPerToken : (this.tokens * this.chars) / this.counted
  }
}

/** Base64 that somebody put where text is due: pictures of tools, files of unknown parts. Prose has a space or a comma sooner. */
const blobChars = 2000
const blobRun = /[A-Za-z0-9+/_=-]+/g
const firstRun = /^[A-Za-z0-9+/_=-]+/
const blobChar = /[A-Za-z0-9+/_=-]/

const withoutLastRun = (text: string): string => {
  let end = text.length
  while (end > 0 && blobChar.test(text[end - 1] as string)) end--
  return text.slice(0, end)
}

interface Unblobbed {
  readonly text: string
  readonly blobs: number
  readonly startsInBlob: boolean
  readonly endsInBlob: boolean
}

const withoutBlobs = (text: string): Unblobbed => {
  let blobs = 0
  let startsInBlob = false
  let endsInBlob = false
  const rest =
    text.length < blobChars
      ? text
      : text.replace(blobRun, (run: string, at: number) => {
          if (run.length < blobChars) return run
          blobs++
          startsInBlob ||= at === 0
          endsInBlob ||= at + run.length === text.length
          return ''
        })
  return { text: rest, blobs, startsInBlob, endsInBlob }
}

interface Sums {
  readonly tally: Tally
  readonly notes: Set<string>
}

const addLoose = (text: string, { tally, notes }: Sums): void => {
  const { text: rest, blobs } = withoutBlobs(text)
  if (blobs > 0) notes.add('media_not_counted')
  tally.add(rest)
}

const addBlock = (block: Block, sums: Sums): void => {
  switch (block.type) {
    case 'media':
      return // counted from the request itself, which has the data
    case 'other':
      addLoose(block.json, sums)
      return
    case 'tool_call':
      sums.tally.add(block.name)
      addLoose(block.arguments, sums)
      return
    case 'tool_result':
      addLoose(block.text, sums)
      return
    default:
      sums.tally.add(block.text)
  }
}

/** The parts of an answer that were generated: results of a provider's own tools were not. */
const isGenerated = ({ type }: Block): boolean =>
  type === 'text' || type === 'thinking' || type === 'refusal' || type === 'tool_call'

const parsedOrNull = (text: string): unknown => {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return null
  }
}

const toolsOf = (request: unknown): readonly unknown[] =>
  [listAt(request, 'tools'), listAt(request, 'functions'), listAt(objectAt(request, 'toolConfig'), 'tools')].filter(
    (tools) => tools.length > 0,
  )

/** Adds pictures and names what cannot be counted. Returns the tokens of the pictures. */
const mediaTokens = (request: unknown, model: string, { tally, notes }: Sums): number => {
  const { media, texts, namesMore } = askedParts(request)
  let tokens = 0
  for (const { kind, data, detail } of media) {
    const size = kind === 'image' && data !== null ? imageSize(data) : null
    const counted = size === null ? null : imageTokens(model, size, detail)
    if (counted === null) notes.add('media_not_counted')
    else tokens += counted
  }
  for (const text of texts) tally.add(text)
  if (namesMore) notes.add('context_not_counted')
  return tokens
}

/** What is embedded: texts, or ids of tokens that were cut by the caller. `null` = nothing that is known. */
const embeddedTokens = (value: unknown, sums: Sums): number | null => {
  if (typeof value === 'string') {
    sums.tally.add(value)
    return 0
  }
  if (typeof value === 'number') return 1
  if (Array.isArray(value)) {
    let ids = 0
    for (const entry of value) ids += embeddedTokens(entry, sums) ?? 0
    return ids
  }
  const text = textAt(value, 'text')
  if (text !== null) sums.tally.add(text)
  else if (isObject(value)) sums.notes.add('media_not_counted')
  return isObject(value) ? 0 : null
}

const spokenTokens = (request: unknown, messages: readonly Message[] | null, call: CallToCount, sums: Sums): number | null => {
  if (call.api === 'speech') {
    const input = textAt(request, 'input')
    if (input === null) return null
    sums.tally.add(input)
    sums.tally.add(textAt(request, 'instructions') ?? '')
    return 0
  }
  if (embedding.has(call.api) && isObject(request)) {
    const given = request.input ?? request.texts ?? request.inputs ?? request.inputText ?? request.prompt
    const ids = embeddedTokens(given, sums)
    if (ids !== null) return ids
  }
  const loose = messages === null ? looseTexts(request) : []
  // How many messages loose texts were said in is not known: one, at least.
  const said = messages?.length ?? Math.min(1, loose.length)
  if (said === 0) return null
  for (const text of loose) sums.tally.add(text)
  for (const { blocks } of messages ?? []) for (const block of blocks) addBlock(block, sums)
  for (const tools of toolsOf(request)) sums.tally.add(JSON.stringify(tools))
  const around = plain.has(call.api) ? 0 : tokensPerMessage * (said + 1)
  return around + mediaTokens(request, call.model, sums)
}

const escaped = /\\(?:u([0-9a-fA-F]{4})|([\s\S]))/g
const meant: Readonly<Record<string, string>> = { n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }
const unescaped = (json: string): string =>
  json.replace(escaped, (_, hex: string | undefined, char: string | undefined) =>
    hex === undefined ? (meant[char ?? ''] ?? char ?? '') : String.fromCharCode(parseInt(hex, 16)),
  )

/** A request that was kept in part is no JSON any more: its text is counted as it stands, and scaled to the whole. */
const truncatedTokens = (text: string, body: StoredBody, call: CallToCount, sums: Sums): number => {
  const cut = text.indexOf(cutMark)
  const head = withoutBlobs(text.slice(0, cut))
  const tail = withoutBlobs(text.slice(cut + cutMark.length))
  const inBlob = head.endsInBlob || tail.startsInBlob
  for (const part of inBlob ? [withoutLastRun(head.text), tail.text.replace(firstRun, '')] : [head.text, tail.text])
    sums.tally.add(unescaped(part))
  if (head.blobs + tail.blobs > 0) sums.notes.add('media_not_counted')
  // Behind the cut an encoded body cannot be read.
  const kept = body.encoding === null || tail.text !== '' ? body.bytes.length : (body.bytes.length * 3) / 4
  // Cut inside a picture, what is missing is the picture.
  const scale = inBlob ? 1 : Math.max(1, call.reqBytes / kept)
  return sums.tally.total() * scale + (plain.has(call.api) ? 0 : tokensPerMessage * 2)
}

const inputTokens = (call: CallToCount, sums: Sums): number | null => {
  if (!call.need.input || call.request === null) return null
  const { state, text } = bodyText(call.request, call.reqBytes)
  if (state === 'truncated') return Math.round(truncatedTokens(text, call.request, call, sums))
  if (state !== 'stored') return null
  const request = parsedOrNull(text)
  const conversation = readConversation({ ...spoken(call), requestBody: text, responseBody: '' })
  const beside = spokenTokens(request, asked(conversation), call, sums)
  return beside === null ? null : Math.round(sums.tally.total() + beside)
}

const spoken = ({ api, streaming }: CallToCount) => ({ family: '', api, streaming })
const asked = (conversation: Conversation | null): readonly Message[] | null =>
  conversation === null ? null : conversation.messages.slice(0, conversation.answerAt)

const outputTokens = (call: CallToCount, sums: Sums): number | null => {
  if (!call.need.output) return null
  const { state, text } = bodyText(call.response, call.resBytes)
  const conversation = text === '' ? null : readConversation({ ...spoken(call), requestBody: '', responseBody: text })
  for (const { blocks } of conversation?.messages.slice(conversation.answerAt) ?? [])
    for (const block of blocks) if (isGenerated(block)) addBlock(block, sums)
  const { length } = sums.tally
  if (length === 0) return Math.ceil(call.contentChars / charsPerToken)
  const scale = state === 'truncated' ? Math.max(1, call.contentChars / length) : 1
  return Math.round(sums.tally.total() * scale)
}

/**
 * Counts what a provider did not tell of one call. Pure: the same call gives the same counts, whatever was counted before, however
 * long it took. Never throws for what a caller or a provider sent.
 */
export const countCall = (call: CallToCount, count: CountText): Counts => {
  const whole = callBudget()
  const half = { chars: whole.chars / 2, steps: whole.steps / 2 }
  const answer: Sums = { tally: new Tally(count, half), notes: new Set() }
  const output = outputTokens(call, answer)
  // What the answer left of its half is for the question.
  const rest = { chars: whole.chars / 2 + half.chars, steps: whole.steps / 2 + half.steps }
  const question: Sums = { tally: new Tally(count, rest), notes: new Set() }
  return { inputTokens: inputTokens(call, question), outputTokens: output, notes: [...question.notes] }
}
