import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A provider that costs as little as one can: a fixed JSON answer of 1 or 2 KB, or 50 SSE chunks in as many writes. */
const completion = {
  id: 'chatcmpl-bench',
  object: 'chat.completion',
  created: 1762956800,
  model: 'gpt-5-mini-2025-08-07',
  choices: [
    { index: 0, message: { role: 'assistant', content: 'x'.repeat(640), refusal: null }, logprobs: null, finish_reason: 'stop' },
  ],
  usage: {
    prompt_tokens: 120,
    completion_tokens: 160,
    total_tokens: 280,
    prompt_tokens_details: { cached_tokens: 0, audio_tokens: 0 },
    completion_tokens_details: { reasoning_tokens: 0, audio_tokens: 0 },
  },
}
/** The same answer, with text of so many characters. */
const jsonOf = (chars: number): Buffer => {
  const [choice] = completion.choices
  const choices = [{ ...choice, message: { ...choice?.message, content: 'x'.repeat(chars) } }]
  return Buffer.from(JSON.stringify({ ...completion, choices }))
}
const chunk = (delta: object, rest: object = {}): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1762956800, model: 'gpt-5-mini-2025-08-07', choices: [{ index: 0, delta, finish_reason: null }], ...rest })}\n\n`
const lastChunks = [
  `data: ${JSON.stringify({ ...completion, object: 'chat.completion.chunk', choices: [] })}\n\n`,
  'data: [DONE]\n\n',
]
const events = [
  chunk({ role: 'assistant', content: '' }),
  ...Array.from({ length: 47 }, (_, i) => chunk({ content: ` word${i}` })),
  ...lastChunks,
].map((text) => Buffer.from(text))

/** What a client must have got. */
export const wantedJson = jsonOf(640)
export const wantedJson2K = jsonOf(1640)
export const wantedStream = Buffer.concat(events)

export const monotonicUs = (): number => Number(process.hrtime.bigint() / 1000n)
const stampedBytes = 200
const [beforeContent, afterContent] = [
  'data: {"id":"bench","object":"chat.completion.chunk","created":1762956800,"model":"gpt-5-mini","choices":[{"index":0,"delta":{"content":"',
  '"},"finish_reason":null}],"n":',
]
/**
 * A chunk of a slow stream: 200 bytes that say which it is and when it was written, in microseconds of the machine's monotonic clock.
 */
const stamped = (n: number): string => {
  const end = `${afterContent}${n},"writtenUs":${monotonicUs()}}\n\n`
  return beforeContent + 'word '.repeat(20).slice(0, Math.max(1, stampedBytes - beforeContent.length - end.length)) + end
}

const streamFast = (res: ServerResponse): void => {
  let at = 0
  const next = (): void => {
    const piece = events[at++]
    if (piece === undefined) return void res.end()
    res.write(piece)
    setImmediate(next)
  }
  next()
}

/** @param chunks As many stamped chunks, then the usage and the terminal event at once. */
const streamSlowly = (res: ServerResponse, gapMs: number, chunks: number): void => {
  let n = 0
  const timer = setInterval(() => {
    res.write(stamped(n++))
    if (n < chunks) return
    clearInterval(timer)
    res.end(lastChunks.join(''))
  }, gapMs)
  res.on('close', () => clearInterval(timer))
}

/** Whatever is asked is refused at once. */
const failure = Buffer.from(
  '{"error":{"message":"The server had an error.","type":"server_error","param":null,"code":"server_error"}}',
)
const fail = (req: IncomingMessage, res: ServerResponse): void => {
  req.resume().once('end', () => {
    res.writeHead(500, ['content-type', 'application/json', 'content-length', String(failure.length)])
    res.end(failure)
  })
}

const answerTo = (gapMs: number, chunks: number, json: Buffer) => (req: IncomingMessage, res: ServerResponse) => {
  let streaming = false
  req.on('data', (piece: Buffer) => {
    if (piece.includes('"stream":true')) streaming = true
  })
  req.on('end', () => {
    if (!streaming) {
      res.writeHead(200, ['content-type', 'application/json', 'content-length', String(json.length)])
      return res.end(json)
    }
    res.writeHead(200, ['content-type', 'text/event-stream; charset=utf-8', 'cache-control', 'no-cache'])
    if (gapMs === 0) return streamFast(res)
    res.flushHeaders()
    streamSlowly(res, gapMs, chunks)
  })
}

/** @param port 0 = a free one. */
const listen = (port: number, host: string, answer: (req: IncomingMessage, res: ServerResponse) => void): Promise<number> =>
  new Promise((resolve, reject) => {
    const server = createServer({ keepAliveTimeout: 120_000, noDelay: true }, answer)
    server.once('error', reject)
    server.listen(port, host, 4096, () => resolve((server.address() as AddressInfo).port))
  })

const serve = async (): Promise<void> => {
  const { BENCH_GAP_MS = '0', BENCH_CHUNKS = '50', BENCH_HOSTS = '1', BENCH_FAILS, BENCH_2K } = process.env
  const answer =
    BENCH_FAILS === '1'
      ? fail
      : answerTo(Number(BENCH_GAP_MS), Number(BENCH_CHUNKS), BENCH_2K === '1' ? wantedJson2K : wantedJson)
  const port = await listen(0, '127.0.0.1', answer)
  // One address has room for some 28,000 connections from one other.
  for (let host = 2; host <= Number(BENCH_HOSTS); host++) await listen(port, `127.0.0.${host}`, answer)
  process.on('disconnect', () => process.exit(0))
  process.send?.({ port })
}

if (process.argv[2] === 'serve') await serve()
