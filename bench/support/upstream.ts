import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

/** A provider that costs as little as one can: a fixed 1 KB JSON answer, or 50 SSE chunks in as many writes. */
const answer = {
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
const json = Buffer.from(JSON.stringify(answer))
const chunk = (delta: object, rest: object = {}): string =>
  `data: ${JSON.stringify({ id: 'chatcmpl-bench', object: 'chat.completion.chunk', created: 1762956800, model: 'gpt-5-mini-2025-08-07', choices: [{ index: 0, delta, finish_reason: null }], ...rest })}\n\n`
const events = [
  chunk({ role: 'assistant', content: '' }),
  ...Array.from({ length: 47 }, (_, i) => chunk({ content: ` word${i}` })),
  `data: ${JSON.stringify({ ...answer, object: 'chat.completion.chunk', choices: [] })}\n\n`,
  'data: [DONE]\n\n',
].map((text) => Buffer.from(text))

/** What a client must have got: the bench compares before the clock starts. */
export const wantedJson = json
export const wantedStream = Buffer.concat(events)

const serve = (): void => {
  const gapMs = Number(process.env.BENCH_GAP_MS ?? '0')
  const server = createServer((req, res) => {
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
      let at = 0
      const next = (): void => {
        const piece = events[at++]
        if (piece === undefined) return void res.end()
        res.write(piece)
        if (gapMs === 0) setImmediate(next)
        else setTimeout(next, gapMs)
      }
      next()
    })
  })
  server.keepAliveTimeout = 120_000
  server.listen(Number(process.env.BENCH_PORT ?? '0'), process.env.BENCH_HOST ?? '127.0.0.1', 4096, () => {
    process.send?.({ port: (server.address() as AddressInfo).port })
  })
  process.on('disconnect', () => process.exit(0))
}

if (process.argv[2] === 'serve') serve()
