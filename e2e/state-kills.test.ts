import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, onTestFinished, test } from 'vitest'
import { readLimits } from '../proxy/state/limit-file.js'
import { providersAt } from './support/house.js'
import { dataFolder, openProxy, type RunningProxy } from './support/proxies.js'
import { randomFrom } from './support/random.js'
import { jsonHeaders, send, type Answer } from './support/send.js'

// kill -9 while the cache and the levels of limits are written: what is on disk afterwards is whole, or is not there.
// WEIR_STATE_KILLS says how many, WEIR_SEED repeats a run.

const kills = Number(process.env.WEIR_STATE_KILLS ?? 4)
const seed = Number(process.env.WEIR_SEED ?? Math.floor(Math.random() * 1_000_000))
const year = 31_536_000
const quota = 1_000_000

let upstream: Server
beforeAll(async () => {
  upstream = createServer((req, res) => {
    const pieces: Buffer[] = []
    req.on('data', (piece: Buffer) => pieces.push(piece))
    req.on('end', () => {
      const { seed: n } = JSON.parse(Buffer.concat(pieces).toString()) as { seed: number }
      res.writeHead(200, { 'content-type': 'application/json' }).end(answerTo(n))
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
})
afterAll(async () => {
  upstream?.closeAllConnections()
  await new Promise((resolve) => upstream?.close(resolve))
})

/** From 100 bytes to about 1 MiB, the same for the same call. */
const answerTo = (n: number): string =>
  JSON.stringify({
    model: 'gpt-5-mini',
    choices: [{ index: 0, message: { role: 'assistant', content: String(n).repeat(2 ** (n % 18)) }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 3, completion_tokens: 5 },
  })
const callWith = (proxy: RunningProxy, n: number, headers: Readonly<Record<string, string>>): Promise<Answer> =>
  send(`${proxy.url}/openai/v1/chat/completions`, {
    headers: { ...jsonHeaders, authorization: 'Bearer sk-one', ...headers },
    body: JSON.stringify({ model: 'gpt-5-mini', seed: n, messages: [{ role: 'user', content: 'Again.' }] }),
  })

test(
  `a proxy killed ${kills} times while it keeps answers: each is found whole, or not at all (seed ${seed})`,
  { timeout: 60_000 + kills * 20_000 },
  async () => {
    const next = randomFrom(seed)
    const dataDir = dataFolder()
    onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
    const yaml = providersAt(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`, ['openai'])
    const cached = (proxy: RunningProxy, n: number): Promise<Answer> => callWith(proxy, n, { 'weir-cache-enabled': 'true' })
    const limited = async (proxy: RunningProxy): Promise<number> =>
      Number((await callWith(proxy, 0, { 'weir-ratelimit-policy': `${quota};w=${year}` })).headers['weir-ratelimit-remaining'])
    let asked = 0
    let hits = 0
    /** Levels are on disk when a proxy ends in peace. */
    let saved = quota
    for (let round = 0; round < kills; round++) {
      const proxy = await openProxy({ yaml, dataDir })
      onTestFinished(() => proxy.kill())
      // What earlier ones kept: those killed at it, too.
      for (let n = 0; n < asked; n++) {
        const answer = await cached(proxy, n)
        expect({ n, status: answer.status, end: answer.end }).toEqual({ n, status: 200, end: 'clean' })
        expect(answer.bytes.equals(Buffer.from(answerTo(n))), `answer ${n}, ${String(answer.headers['weir-cache'])}`).toBe(true)
        if (answer.headers['weir-cache'] === 'HIT') hits++
      }
      // What a killed one took is forgotten, back to what was saved; never more than that.
      const calls = 5
      const remaining: number[] = []
      for (let i = 0; i < calls; i++) remaining.push(await limited(proxy))
      expect(remaining).toEqual(Array.from({ length: calls }, (_, i) => saved - 1 - i))
      if (round % 2 === 0) {
        await proxy.stop()
        saved -= calls
        continue
      }
      const load = { isOn: true }
      const worker = async (): Promise<void> => {
        while (load.isOn) await cached(proxy, asked++)
      }
      const workers = Array.from({ length: 8 }, () => worker().catch(() => undefined))
      await new Promise((resolve) => setTimeout(resolve, 150 + next() * 500))
      await proxy.kill()
      load.isOn = false
      await Promise.all(workers)
    }
    const proxy = await openProxy({ yaml, dataDir })
    onTestFinished(() => proxy.stop())
    for (let n = 0; n < asked; n++) {
      const answer = await cached(proxy, n)
      expect(answer.bytes.equals(Buffer.from(answerTo(n)))).toBe(true)
      if (answer.headers['weir-cache'] === 'HIT') hits++
    }
    console.log(`${asked} answers asked for in front of ${Math.floor(kills / 2)} kills, ${hits} hits after them`)
    expect(hits).toBeGreaterThan(0)
  },
)

test('a process killed again and again while it writes levels: the file is one whole generation', async () => {
  const next = randomFrom(seed)
  const dataDir = dataFolder()
  onTestFinished(() => rmSync(dataDir, { recursive: true, force: true }))
  const path = join(dataDir, 'state', 'limits')
  const module = fileURLToPath(new URL('../dist/proxy/state/limit-file.js', import.meta.url))
  const buckets = 20_000
  // Each generation has one level in all of its buckets.
  const code = `
    import { writeLimits } from ${JSON.stringify(module)}
    const at = Date.now()
    for (let level = 1; ; level++) {
      await writeLimits(${JSON.stringify(path)}, Array.from({ length: ${buckets} }, (_, n) =>
        ({ level, rest: 0, at, quotaMicro: 1e9, windowMs: ${year}000, name: 'caller default request ' + n })))
      if (level === 1) process.stdout.write('written')
    }`
  for (let round = 0; round < 6; round++) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
    const exited = once(child, 'exit')
    onTestFinished(() => void child.kill('SIGKILL'))
    await once(child.stdout, 'data')
    await new Promise((resolve) => setTimeout(resolve, next() * 300))
    child.kill('SIGKILL')
    await exited
    const found = readLimits(path, Date.now())
    expect(found).toHaveLength(buckets)
    expect(new Set(found.map(({ level }) => Math.floor(level))).size).toBe(1)
  }
})
