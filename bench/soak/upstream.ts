import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createFacts } from './facts.js'
import { keptHash, model, numberOf, planOf, type Plan } from './plan.js'

/** What it does to the calls that are struck, at the moment. */
export const modes = ['well', 'status 500', 'reset', 'cut'] as const
export type Mode = (typeof modes)[number]

/** What it had of one call. */
export interface SeenCall {
  readonly n: number
  readonly sends: number
  readonly status: number
  /** The last answer was written to its end. */
  readonly whole: boolean
  /** Of what it meant to write, as far as it is kept; hex. */
  readonly hash: string
  /** What it did to the last of the sends. */
  readonly mode: Mode
}

const seed = Number(process.argv[2])
const chunks = 10
const gapMs = 15
/** sends, mode, whole, status (2), hash */
const facts = createFacts(5 + keptHash)
let mode: Mode = 'well'

const created = 1762956800
const failure = '{"error":{"message":"The server had an error.","type":"server_error","param":null,"code":"server_error"}}'
const usageOf = ({ inputTokens, outputTokens }: Plan) => ({
  prompt_tokens: inputTokens,
  completion_tokens: outputTokens,
  total_tokens: inputTokens + outputTokens,
})
const plainText = (n: number, plan: Plan): string =>
  JSON.stringify({
    id: `chatcmpl-${n}`,
    object: 'chat.completion',
    created,
    model,
    choices: [{ index: 0, message: { role: 'assistant', content: 'x'.repeat(600) }, finish_reason: 'stop' }],
    usage: usageOf(plan),
  })
const streamTexts = (n: number, plan: Plan): string[] => {
  const head = { id: `chatcmpl-${n}`, object: 'chat.completion.chunk', created, model }
  const texts = Array.from({ length: chunks }, (_, i) =>
    JSON.stringify({
      ...head,
      choices: [{ index: 0, delta: { content: ` word${i}` }, finish_reason: i + 1 === chunks ? 'stop' : null }],
    }),
  )
  return [...texts, JSON.stringify({ ...head, choices: [], usage: usageOf(plan) }), '[DONE]'].map((text) => `data: ${text}\n\n`)
}

const note = (n: number, status: number, text: string, does: Mode): number => {
  const at = facts.at(n)
  const { bytes } = facts
  bytes[at] = Math.min(255, (bytes[at] ?? 0) + 1)
  bytes[at + 1] = modes.indexOf(does)
  bytes[at + 2] = 0
  bytes.writeUInt16LE(status, at + 3)
  createHash('sha256')
    .update(text)
    .digest()
    .copy(bytes, at + 5, 0, keptHash)
  return at
}

const whole = (res: ServerResponse, n: number): void => {
  res.once('finish', () => {
    facts.bytes[facts.at(n) + 2] = 1
  })
}

const sendPlain = (res: ServerResponse, n: number, status: number, text: string): void => {
  whole(res, n)
  res.writeHead(status, ['content-type', 'application/json', 'content-length', String(Buffer.byteLength(text))])
  res.end(text)
}

const sendStream = (res: ServerResponse, n: number, texts: readonly string[], breaksAt: number): void => {
  whole(res, n)
  res.writeHead(200, ['content-type', 'text/event-stream; charset=utf-8'])
  let at = 0
  const timer = setInterval(() => {
    if (at === breaksAt) {
      clearInterval(timer)
      return void res.socket?.resetAndDestroy()
    }
    res.write(texts[at++])
    if (at < chunks) return
    clearInterval(timer)
    res.end(texts.slice(at).join(''))
  }, gapMs)
  res.once('close', () => clearInterval(timer))
}

const answer = (req: IncomingMessage, res: ServerResponse): void => {
  const n = numberOf(String(req.headers['x-mark']))
  req.resume()
  req.once('end', () => {
    const plan = planOf(seed, n)
    const does: Mode = plan.struck ? mode : 'well'
    if (does === 'status 500') {
      note(n, 500, failure, does)
      return sendPlain(res, n, 500, failure)
    }
    // A plain answer is too short to be cut in the middle: it is reset before its head.
    if (does === 'reset' || (does === 'cut' && !plan.stream)) {
      note(n, 0, '', 'reset')
      return void req.socket.resetAndDestroy()
    }
    if (plan.stream) {
      const texts = streamTexts(n, plan)
      note(n, 200, texts.join(''), does)
      return sendStream(res, n, texts, does === 'cut' ? chunks >> 1 : -1)
    }
    const text = plainText(n, plan)
    note(n, 200, text, does)
    sendPlain(res, n, 200, text)
  })
}

const seenBetween = (from: number, to: number): readonly SeenCall[] => {
  const seen: SeenCall[] = []
  for (let n = from; n < to; n++) {
    const at = facts.at(n)
    const { bytes } = facts
    if (bytes[at] === 0) continue
    seen.push({
      n,
      sends: bytes[at] ?? 0,
      mode: modes[bytes[at + 1] ?? 0] ?? 'well',
      whole: bytes[at + 2] === 1,
      status: bytes.readUInt16LE(at + 3),
      hash: bytes.toString('hex', at + 5, at + 5 + keptHash),
    })
  }
  return seen
}

const server = createServer({ keepAliveTimeout: 120_000, noDelay: true }, answer)
server.listen(0, '127.0.0.1', 4096, () => process.send?.({ port: (server.address() as AddressInfo).port }))
process.on('disconnect', () => process.exit(0))
process.on('message', (question: string) => {
  const [what, ...args] = question.split('|')
  if (what === 'mode') mode = modes.find((known) => known === args[0]) ?? 'well'
  if (what === 'hang up') server.closeAllConnections()
  process.send?.(what === 'seen' ? seenBetween(Number(args[0]), Number(args[1])) : 'done')
})
