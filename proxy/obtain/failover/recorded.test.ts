import { expect, onTestFinished, test } from 'vitest'
import { startFakeProvider } from '../../../cli/fake-provider/server.js'
import { post, startTestProxy } from '../cache/testing.js'

// What the event of a call tells of its attempts, through a running proxy.

const body = JSON.stringify({ model: 'gpt-4o-mini', messages: [{ role: 'user', content: 'Hello?' }] })
const streamed = JSON.stringify({ model: 'gpt-4o-mini', stream: true, messages: [{ role: 'user', content: 'Hello?' }] })

const open = async () => {
  const [a, b] = [await startFakeProvider(), await startFakeProvider()]
  onTestFinished(() => a.close())
  onTestFinished(() => b.close())
  const yaml = `  groq: { origin: "${b.origin}" }\n  mistral: { origin: "${b.origin}" }\n`
  return { a, b, proxy: await startTestProxy(a.origin, { random: () => 0, yaml }) }
}

test('attempts lie one after the other on the time of the call, and the head goes out once the last one has begun to answer', async () => {
  const { a, proxy } = await open()
  a.plan('status=503', 'status=500')
  const headers = { 'Weir-Retry-Enabled': 'true', 'Weir-Retry-Num': '1', 'Weir-Retry-Min-Timeout': '40' }
  const got = await post(proxy.port, {
    headers: { ...headers, 'Weir-Fallback': 'mistral/m, groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' },
    body: streamed,
  })
  const { attempts, passedOver, committedUs = Number.NaN, marksUs } = await proxy.end(got.id)
  expect(attempts.map(({ target, status, errorKind }) => [target, status, errorKind])).toEqual([
    ['openai/gpt-4o-mini', 503, 'overloaded'],
    ['openai/gpt-4o-mini', 500, 'server'],
    ['groq/llama-3.3-70b', 200, ''],
  ])
  expect(passedOver).toEqual([{ target: 'mistral/m', reason: 'no_credential', after: 0 }])
  const times = attempts.flatMap(({ startUs, endUs }) => [startUs, endUs])
  expect(times).toEqual(times.toSorted((one, other) => one - other))
  const [, , last] = attempts
  expect(committedUs).toBeGreaterThan(last?.startUs ?? Number.NaN)
  expect(committedUs).toBeLessThanOrEqual(last?.endUs ?? Number.NaN)
  expect(marksUs.firstContent).toBeGreaterThan(last?.startUs ?? Number.NaN)
})

test('a target whose circuit is open is passed over before the first attempt, one that another call finds out about as well', async () => {
  const { proxy, a } = await open()
  const headers = { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b' }
  a.plan(...Array.from({ length: 5 }, () => 'status=500'))
  for (let i = 0; i < 5; i++) await post(proxy.port, { headers, body })
  const got = await post(proxy.port, { headers, body })
  const end = await proxy.end(got.id)
  expect(end.passedOver).toEqual([{ target: 'openai/gpt-4o-mini', reason: 'circuit_open', after: 0 }])
  expect(end.attempts.map(({ target }) => target)).toEqual(['groq/llama-3.3-70b'])
})

test('nobody answers: nothing was committed', async () => {
  const { proxy, a, b } = await open()
  a.plan('close')
  b.plan('close')
  const got = await post(proxy.port, {
    headers: { 'Weir-Fallback': 'groq/llama-3.3-70b', 'Weir-Groq-Key': 'gsk_b', 'Weir-Timeout': 'connect=1000' },
    body,
  })
  const end = await proxy.end(got.id)
  expect([got.status, end.attempts.length, end.committedUs]).toEqual([502, 2, undefined])
})

test('a call that makes one attempt tells no more than that', async () => {
  const { proxy } = await open()
  const end = await proxy.end((await post(proxy.port, { body })).id)
  expect(end.attempts).toHaveLength(1)
  expect('passedOver' in end || 'committedUs' in end || 'replayed' in (end.attempts[0] ?? {})).toBe(false)
})
