import { createServer, request, type ClientRequest, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { openHouse, providersAt, type RunningHouse } from './support/house.js'
import { until } from './support/wait.js'

// Clients that leave, many at once: the upstream is let go at once, nothing is sent anew, and each call has one row.

/** What a call asks for beside its answer: leaving goes through other stages each time. */
const asked: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'weir-retry-enabled': 'true', 'weir-fallback': 'openai/gpt-5' },
  { 'weir-cache-enabled': 'true' },
  { 'weir-ratelimit-policy': '100000;w=3600, 100000000;w=3600;u=tokens' },
]
const each = 500
/** routing.md §6 */
const closedWithinMs = 250

interface Held {
  /** By `performance.now()`; 0 = not yet. */
  closedAt: number
}

let upstream: Server
let origin: string
let house: RunningHouse
/** Calls as the upstream sees them, by what they call themselves. */
const seen = new Map<string, Held>()
let requests = 0

const event = (delta: object): string =>
  `data: ${JSON.stringify({ id: 'c', object: 'chat.completion.chunk', model: 'gpt-5-mini', choices: [{ index: 0, delta, finish_reason: null }] })}\n\n`

beforeAll(async () => {
  // Never ends an answer: before the head, or after some content.
  upstream = createServer((req, res) => {
    requests++
    const pieces: Buffer[] = []
    req.on('data', (piece: Buffer) => pieces.push(piece))
    req.on('end', () => {
      const { user } = JSON.parse(Buffer.concat(pieces).toString()) as { user: string }
      const held: Held = { closedAt: 0 }
      res.once('close', () => (held.closedAt = performance.now()))
      if (user.startsWith('mid')) {
        res.writeHead(200, { 'content-type': 'text/event-stream' })
        res.write(event({ role: 'assistant', content: 'So' }))
        res.write(event({ content: ' far' }))
      }
      seen.set(user, held)
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', 4096, resolve))
  origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`
  house = await openHouse({ yaml: providersAt(origin, ['openai']) })
})
afterAll(async () => {
  await house?.stop()
  upstream?.closeAllConnections()
  await new Promise((resolve) => upstream?.close(resolve))
})

interface Leaver {
  readonly name: string
  readonly req: ClientRequest
  /** Bytes of an answer that came. */
  bytes: number
  leftAt: number
}

const callAs = (name: string, to: string, n: number): Leaver => {
  const body = JSON.stringify({
    model: 'gpt-5-mini',
    stream: true,
    user: name,
    messages: [{ role: 'user', content: `What becomes of ${name}?` }],
  })
  const req = request(`${to}/v1/chat/completions`, {
    method: 'POST',
    agent: false,
    headers: { 'content-type': 'application/json', authorization: 'Bearer sk-leaver', ...asked[n % asked.length] },
  })
  const leaver: Leaver = { name, req, bytes: 0, leftAt: 0 }
  req.on('error', () => undefined)
  req.on('response', (res) => {
    res.on('data', (piece: Buffer) => (leaver.bytes += piece.length))
    res.on('error', () => undefined)
  })
  req.end(body)
  return leaver
}

const quantile = (sorted: readonly number[], of: number): number =>
  sorted[Math.min(sorted.length - 1, Math.floor(of * sorted.length))] ?? Number.NaN

test.each(['before', 'mid'])(
  `${each} clients leave %s: the upstream is let go, each has one row, nothing is sent again`,
  async (when) => {
    const sentBefore = requests
    const leavers = Array.from({ length: each }, (_, n) => callAs(`${when}-${n}`, `${house.proxy}/openai`, n))
    // Those show how late this machine is by itself.
    const direct = Array.from({ length: each / 5 }, (_, n) => callAs(`${when} direct ${n}`, origin, 0))
    const all = [...leavers, ...direct]
    await until('the upstream to have all calls', () => all.every(({ name }) => seen.has(name)))
    if (when === 'mid') await until('all clients to have got something', () => all.every(({ bytes }) => bytes > 0))
    // Over two seconds or so, as clients do.
    const leave = (leaver: Leaver | undefined): void => {
      if (leaver === undefined) return
      leaver.leftAt = performance.now()
      leaver.req.destroy()
    }
    for (const [n, leaver] of leavers.entries()) {
      leave(leaver)
      if (n % 5 !== 4) continue
      leave(direct[(n - 4) / 5])
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
    const closedAt = ({ name }: Leaver): number => seen.get(name)?.closedAt ?? 0
    await until('the upstream to be let go by all', () => all.every((leaver) => closedAt(leaver) > 0))
    const delaysOf = (of: readonly Leaver[]): number[] =>
      of.map((leaver) => closedAt(leaver) - leaver.leftAt).sort((a, b) => a - b)
    const [delays, own] = [delaysOf(leavers), delaysOf(direct)]
    const figures = (of: readonly number[]): string =>
      [0.5, 0.99, 1].map((part) => `${quantile(of, part).toFixed(1)} ms`).join(', ')
    console.log(`${when}: seen upstream after ${figures(delays)} (p50, p99, most); without Weir after ${figures(own)}`)
    // The most of them is for machines that do nothing else.
    expect(quantile(delays, 0.5)).toBeLessThan(quantile(own, 0.5) + closedWithinMs)
    await house.caughtUp()
    const rows = await until('every call to have its row', async () => {
      const found = await house.rows(`startsWith(user_id, '${when}-')`)
      return found.length >= each && found
    })
    expect(rows).toHaveLength(each)
    expect(new Set(rows.map(({ userId }) => userId)).size).toBe(each)
    expect(new Set(rows.map(({ outcome }) => outcome))).toEqual(new Set(['client_abort']))
    expect(new Set(rows.map(({ attempts }) => attempts))).toEqual(new Set([1]))
    expect(requests - sentBefore).toBe(each + direct.length)
    if (when === 'mid')
      // What had come is counted: it was paid for.
      for (const { usageSource, outputTokens } of rows)
        expect({ usageSource, isCounted: outputTokens !== null && outputTokens > 0 }).toEqual({
          usageSource: 'estimated',
          isCounted: true,
        })
  },
)
