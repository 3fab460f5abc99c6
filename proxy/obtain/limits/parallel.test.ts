import { randomUUID } from 'node:crypto'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../../cli/fake-provider/server.js'
import { openMemoryLimits } from '../../state/memory-limits.js'
import { openRedisLimits } from '../../state/redis-limits.js'
import { openRedisLink } from '../../state/redis-link.js'
import { redisServer, startTestRedis, type TestRedis } from '../../state/testing-redis.js'
import type { LimitStore } from '../../state/limit-store.js'
import { post, startTestProxy, type Got } from '../cache/testing.js'

// What tokens and cents can be exceeded by when many call at once. A call passes while the level is at least its reserve r; so at the
// moment the last one passed, what had been settled plus the reserves of all under way was at most the quota Q. Those under way then
// used a instead of r: charged <= Q + the sum of (a - r) over them. Where nobody uses more than was reserved, Q is never exceeded.

const year = 31_536_000
const body = JSON.stringify({ model: 'gpt-5-mini', max_completion_tokens: 1000, messages: [{ role: 'user', content: 'Hi' }] })
/** A quarter of its bytes, and what it lets be answered. */
const reserve = { input: Math.ceil(body.length / 4), output: 1000 }
const units = ['tokens', 'cents'] as const
type Unit = (typeof units)[number]

interface Spent {
  readonly input: number
  readonly output: number
}

/** In millionths of the unit. gpt-5-mini: 0.25 USD a million tokens of input, 2 USD of output. */
const amountOf = (unit: Unit, { input, output }: Spent): number =>
  unit === 'tokens' ? (input + output) * 1e6 : input * 25 + output * 200

describe.each(['in memory', 'in Redis'])('%s', (where) => {
  const isMissing = where === 'in Redis' && redisServer === null
  let redis: TestRedis | null = null
  beforeAll(async () => {
    if (where === 'in Redis' && redisServer !== null) redis = await startTestRedis(redisServer)
  })
  afterAll(async () => redis?.close())

  const openStore = async (): Promise<LimitStore> => {
    if (redis === null) return openMemoryLimits({ now: Date.now, file: null, failed: () => undefined })
    const link = openRedisLink({ url: redis.url, deadlineMs: 10_000, changed: () => undefined })
    await link.begun
    return openRedisLimits(link)
  }

  /** Two proxies on one Redis, or one with its own memory; calls of one user go to them in turn. */
  const callerAt = async (origin: string) => {
    const ports: number[] = []
    for (let i = 0; i < (redis === null ? 1 : 2); i++)
      ports.push((await startTestProxy(origin, { limitStore: await openStore() })).port)
    let turn = 0
    const user = randomUUID()
    return (policy: string, { input, output }: Spent): Promise<Got> =>
      post(ports[turn++ % ports.length] as number, {
        body,
        headers: {
          'weir-ratelimit-policy': `${policy};s=user`,
          'weir-user-id': user,
          'x-fake': `input=${input};output=${output};delay=40`,
        },
      })
  }

  const caller = async () => {
    const fake = await startFakeProvider()
    onTestFinished(() => fake.close())
    return await callerAt(fake.origin)
  }

  test.skipIf(isMissing)('300 at once: the reserves fill the quota; then what was used is gone, and no more', async () => {
    // Answers come when all that do not pass have been refused.
    const held: ServerResponse[] = []
    const upstream = createServer((req, res) => void req.resume().once('end', () => held.push(res)))
    await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
    onTestFinished(() => void upstream.close())
    const call = await callerAt(`http://127.0.0.1:${(upstream.address() as AddressInfo).port}`)
    const answerAll = (prompt_tokens: number, completion_tokens: number): void => {
      const answer = JSON.stringify({ model: 'gpt-5-mini', choices: [], usage: { prompt_tokens, completion_tokens } })
      for (const res of held.splice(0)) res.writeHead(200, { 'content-type': 'application/json' }).end(answer)
    }
    const each = amountOf('tokens', reserve) / 1e6
    const quota = 20 * each + each - 1
    const policy = `${quota};w=${year};u=tokens`
    let refused = 0
    const all = Array.from({ length: 300 }, async () => {
      const { status } = await call(policy, reserve)
      if (status === 429) refused++
      return status
    })
    await expect.poll(() => refused).toBe(280)
    await expect.poll(() => held.length).toBe(20)
    answerAll(100, 400)
    expect((await Promise.all(all)).filter((status) => status === 200)).toHaveLength(20)
    // Settled a moment after the answer; told to one call more, after its own reserve.
    await expect
      .poll(async () => {
        const last = call(policy, reserve)
        await expect.poll(() => held.length).toBe(1)
        answerAll(0, 0)
        return Number((await last).headers['weir-ratelimit-remaining'])
      })
      .toBe(quota - 20 * 500 - each)
  })

  test.skipIf(isMissing).each(units)(
    '%s, one call after the other by 32 callers: the quota, and what those under way used beyond their reserve',
    async (unit) => {
      const call = await caller()
      const reserved = amountOf(unit, reserve)
      const quota = 40 * reserved
      const policy = `${quota / 1e6};w=${year};u=${unit}`
      // From a tenth of what was reserved to twice as much.
      const spends = [0.1, 2, 0.5, 1.5, 1, 0.7, 1.8].map((part) => ({ input: reserve.input, output: 1000 * part }))
      const dearest = Math.max(...spends.map((spent) => amountOf(unit, spent)))
      const callers = 32
      let charged = 0
      let n = 0
      const callAgainAndAgain = async (): Promise<void> => {
        for (let refusals = 0; refusals < 3;) {
          const spent = spends[n++ % spends.length] as Spent
          const { status } = await call(policy, spent)
          if (status === 200) charged += amountOf(unit, spent)
          else {
            expect(status).toBe(429)
            refusals++
          }
        }
      }
      await Promise.all(Array.from({ length: callers }, callAgainAndAgain))
      const bound = quota + callers * (dearest - reserved)
      const share = (of: number): string => `${((100 * of) / quota).toFixed(1)} %`
      console.log(`${where}, ${unit}: ${share(charged)} of the quota were charged; the bound is ${share(bound)}`)
      expect(charged).toBeLessThanOrEqual(bound)
      // It was the limit that ended this: less than a reserve was left, of what those under way had not yet given back.
      const least = Math.min(...spends.map((spent) => amountOf(unit, spent)))
      expect(charged).toBeGreaterThanOrEqual(quota - reserved - callers * (reserved - least))
    },
  )

  test.skipIf(isMissing).each(units)('%s: where nobody uses more than was reserved the quota is never exceeded', async (unit) => {
    const call = await caller()
    const reserved = amountOf(unit, reserve)
    const quota = 25 * reserved
    const policy = `${quota / 1e6};w=${year};u=${unit}`
    let charged = 0
    let n = 0
    const callAgainAndAgain = async (): Promise<void> => {
      for (let refusals = 0; refusals < 3;) {
        const spent = { input: reserve.input, output: 100 + ((n++ * 137) % 901) }
        const { status } = await call(policy, spent)
        if (status === 200) charged += amountOf(unit, spent)
        else refusals++
      }
    }
    await Promise.all(Array.from({ length: 32 }, callAgainAndAgain))
    expect(charged).toBeLessThanOrEqual(quota)
    expect(charged).toBeGreaterThan(0)
  })
})
