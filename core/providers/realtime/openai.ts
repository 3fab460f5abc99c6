import type { AnswerError } from '../../exchange.js'
import { errorIn } from '../classify-error.js'
import { isObject, listAt, objectAt, parsed, stringLength, textAt, type JsonObject } from '../json-text.js'
import { noSteps, Turn, type SessionFacts, type SessionReader, type Step } from './session.js'

/** Servers write the type first, or behind the event's id: only there it is certain to be the event's own. */
const typeAtStart = /^\s*\{\s*(?:"event_id"\s*:\s*"[^"\\]*"\s*,\s*)?"type"\s*:\s*"([^"\\]*)"/
const responseIdIn = /"response_id"\s*:\s*"([^"\\]*)"/
const deltaIn = /"delta"\s*:\s*"/g

/** How a response ends: GA and beta names of Realtime, and those of Responses over a WebSocket. */
const ends = /^response\.(?:done|completed|incomplete|failed|cancelled)$/
const endStates = new Set(['completed', 'incomplete', 'failed', 'cancelled'])
const told = /^(?:transcription_)?session\.(?:created|updated|update|started|start|closed)$/
const mostEnded = 64
/** What is text. The rest is sound, pictures of a face, times of words: delivered, but not counted in characters. */
const inText = /(?:text|transcript|arguments|refusal|input|code)\.delta$/

const itemChars = (item: unknown): number => {
  if (!isObject(item)) return 0
  let chars = textAt(item, 'arguments')?.length ?? 0
  for (const part of listAt(item, 'content'))
    chars += (textAt(part, 'text') ?? textAt(part, 'transcript') ?? textAt(part, 'refusal'))?.length ?? 0
  return chars
}

/** How a response ended, in the provider's words: the reason, where it tells one. */
const finishReason = (response: JsonObject): string | null => {
  const status = textAt(response, 'status')
  if (status === null || !endStates.has(status)) return null
  const reason =
    textAt(objectAt(response, 'status_details'), 'reason') ?? textAt(objectAt(response, 'incomplete_details'), 'reason')
  return reason ?? status
}

/** OpenAI's Realtime API, GA and beta, and all who speak it: Azure, Voice Live, xAI, an own server. */
export class OpenAiSession implements SessionReader {
  #requestModel: string | null
  #id: string | null = null
  #model: string | null = null
  #transcriptionModel: string | null = null
  #error: AnswerError | null = null
  #events = 0
  #malformed = false
  #hasAnswered = false
  readonly #open = new Map<string, Turn>()
  /** Ids of the last responses that ended: what still comes of them is no new response. */
  readonly #ended = new Set<string>()

  /** @param requestModel As the URL named it. */
  constructor(requestModel: string | null) {
    this.#requestModel = requestModel
  }

  client(data: string): void {
    const type = typeAtStart.exec(data)?.[1]
    if (type !== undefined && !told.test(type)) return
    if (type === undefined && !data.includes('"session')) return
    const value = parsed(data)
    if (!isObject(value) || !told.test(textAt(value, 'type') ?? '')) return
    const session = objectAt(value, 'session')
    this.#requestModel ??= textAt(session, 'model')
    this.#transcribes(session)
  }

  server(data: string): readonly Step[] {
    this.#events++
    const type = typeAtStart.exec(data)?.[1]
    if (type !== undefined) {
      if (type.startsWith('response.')) {
        if (type.endsWith('.delta')) return this.#delta(type, data)
        if (type !== 'response.created' && !ends.test(type)) return this.#part(data)
      } else if (type !== 'error' && type !== 'conversation.item.input_audio_transcription.completed' && !told.test(type))
        return noSteps
    }
    const value = parsed(data)
    if (isObject(value)) return this.#event(textAt(value, 'type') ?? '', value, data)
    this.#malformed = true
    return noSteps
  }

  open(): Iterable<Turn> {
    return this.#open.values()
  }

  facts(): SessionFacts {
    return {
      id: this.#id,
      model: this.#model,
      error: this.#error,
      events: this.#events,
      notes: this.#malformed ? ['malformed'] : [],
    }
  }

  #event(type: string, value: JsonObject, data: string): readonly Step[] {
    if (told.test(type)) return this.#session(value)
    if (type === 'error') {
      this.#error = errorIn('openai-chat', 200, { error: objectAt(value, 'error') ?? value }) ?? this.#error
      return noSteps
    }
    if (type === 'conversation.item.input_audio_transcription.completed') return this.#transcribed(value)
    if (!type.startsWith('response.')) return noSteps
    if (type.endsWith('.delta')) return this.#delta(type, data)
    const response = objectAt(value, 'response')
    if (response === null || this.#ended.has(textAt(response, 'id') ?? '')) return this.#part(data)
    if (type === 'response.created') {
      this.#error = null
      return [{ turn: this.#turn(textAt(response, 'id'), response), ended: false }]
    }
    return ends.test(type) ? [{ turn: this.#done(type, response), ended: true }] : this.#part(data)
  }

  #session(value: JsonObject): readonly Step[] {
    const session = objectAt(value, 'session')
    this.#id = textAt(session, 'id') ?? this.#id
    this.#model = textAt(session, 'model') ?? this.#model
    this.#transcribes(session)
    // A session that is sold by time tells its usage once, when it closes.
    const usage = objectAt(value, 'usage')
    if (textAt(value, 'type') !== 'session.closed' || usage === null) return noSteps
    const turn = this.#begun(null)
    turn.seen.raw('usage', usage)
    turn.seen.id(this.#id)
    turn.seen.finished(textAt(value, 'reason') ?? 'completed')
    turn.seen.terminal = true
    return [{ turn, ended: true }]
  }

  #transcribes(session: JsonObject | null): void {
    const input = objectAt(objectAt(session, 'audio'), 'input')
    const settings =
      input?.transcription !== undefined
        ? input.transcription
        : (session?.input_audio_transcription ?? objectAt(session, 'input_audio')?.transcription)
    if (settings === undefined) return
    this.#transcriptionModel = textAt(settings, 'model')
  }

  #transcribed(value: JsonObject): readonly Step[] {
    const usage = objectAt(value, 'usage')
    // Where neither a usage nor a model is told, the transcript comes with the session and is not billed apart.
    if (usage === null && this.#transcriptionModel === null) return noSteps
    const turn = new Turn('transcription', this.#transcriptionModel)
    turn.seen.events++
    turn.seen.id(textAt(value, 'item_id'))
    turn.seen.raw('usage', usage)
    turn.seen.delivered(textAt(value, 'transcript')?.length ?? 0)
    turn.seen.terminal = true
    return [{ turn, ended: true }]
  }

  /** The open response of this id, of whichever it is where only one is open, else a new one: a session may be joined late. */
  #turn(id: string | null, response: JsonObject | null): Turn {
    if (id === null && this.#open.size === 1) for (const turn of this.#open.values()) return this.#counted(turn)
    const found = this.#open.get(id ?? '')
    if (found !== undefined) return this.#counted(found)
    const turn = this.#begun(response)
    turn.seen.id(id)
    this.#open.set(id ?? '', turn)
    return turn
  }

  #begun(response: JsonObject | null): Turn {
    const turn = new Turn('realtime', this.#requestModel ?? this.#model, this.#hasAnswered)
    this.#hasAnswered = true
    turn.seen.events++
    turn.seen.model(textAt(response, 'model') ?? this.#model)
    return turn
  }

  #counted(turn: Turn): Turn {
    turn.seen.events++
    return turn
  }

  #delta(type: string, data: string): readonly Step[] {
    const id = responseIdIn.exec(data)?.[1] ?? null
    if (id !== null && this.#ended.has(id)) return noSteps
    const turn = this.#turn(id, null)
    if (inText.test(type)) {
      deltaIn.lastIndex = 0
      if (deltaIn.test(data)) turn.seen.delivered(stringLength(data, deltaIn.lastIndex))
    } else turn.heard()
    return [{ turn, ended: false }]
  }

  /** An event inside a response that tells nothing we count. */
  #part(data: string): readonly Step[] {
    const id = responseIdIn.exec(data)?.[1]
    const turn = id === undefined ? undefined : this.#open.get(id)
    return turn === undefined ? noSteps : [{ turn: this.#counted(turn), ended: false }]
  }

  #remember(id: string): void {
    this.#ended.add(id)
    const [oldest] = this.#ended
    if (this.#ended.size > mostEnded && oldest !== undefined) this.#ended.delete(oldest)
  }

  #done(type: string, response: JsonObject): Turn {
    this.#error = null
    const id = textAt(response, 'id')
    const turn = this.#turn(id, response)
    const { seen } = turn
    for (const [key, open] of this.#open) if (open === turn) this.#open.delete(key)
    if (id !== null) this.#remember(id)
    seen.id(id)
    seen.model(textAt(response, 'model') ?? this.#model)
    seen.raw('usage', response.usage)
    seen.raw('service_tier', textAt(response, 'service_tier'))
    seen.finished(finishReason(response) ?? type.slice('response.'.length))
    const output = listAt(response, 'output')
    if (seen.contentChars === 0) for (const item of output) seen.delivered(itemChars(item))
    for (const item of output) if (textAt(item, 'type')?.endsWith('_call') === true) seen.called()
    if (textAt(response, 'status') === 'failed' || type === 'response.failed') {
      const error = objectAt(objectAt(response, 'status_details'), 'error') ?? objectAt(response, 'error')
      seen.error = (error === null ? null : errorIn('openai-chat', 200, { error })) ?? {
        kind: 'server',
        code: 'response_failed',
        message: '',
      }
    }
    seen.terminal = true
    return turn
  }
}
