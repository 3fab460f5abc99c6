import { describe, expect, onTestFinished, test } from 'vitest'
import type { CallToCount } from './count-call.js'
import { createTokenCounter, type TokenCounter } from './counter.js'

const call = (content: string, more: Partial<CallToCount> = {}): CallToCount => ({
  api: 'chat',
  model: 'gpt-4o',
  streaming: false,
  need: { input: true, output: true },
  request: { bytes: Buffer.from(JSON.stringify({ messages: [{ role: 'user', content }] })), encoding: null, truncated: false },
  response: {
    bytes: Buffer.from(JSON.stringify({ choices: [{ message: { role: 'assistant', content: 'hello world' } }] })),
    encoding: null,
    truncated: false,
  },
  reqBytes: 100,
  resBytes: 100,
  contentChars: 11,
  ...more,
})
/** "hello world" is 2 tokens; 3 for its message and 3 around; 2 out. */
const hello = { inputTokens: 8, outputTokens: 2, notes: [] }

const scripted = (source: string): URL => new URL(`data:text/javascript,${encodeURIComponent(source)}`)
const header = `
  import { parentPort, workerData } from 'node:worker_threads'
  const progress = new Int32Array(workerData)
  const counts = { inputTokens: 1, outputTokens: 1, notes: [] }
  const isPoison = (call) => call.model === 'poison'
`

interface Setup {
  readonly script?: URL
  readonly deadlineMs?: number
  readonly idleMs?: number
  readonly now?: () => number
}
const opened = (setup: Setup = {}): { readonly counter: TokenCounter; readonly faults: string[] } => {
  const faults: string[] = []
  const counter = createTokenCounter({
    now: () => 0,
    onFault: (_, cause) => faults.push(String(cause)),
    ...setup,
  })
  onTestFinished(() => counter.close())
  return { counter, faults }
}

describe('the thread', () => {
  test('counts by the vocabulary of each model, and the same after it was ended and started again', async () => {
    const { counter, faults } = opened({ idleMs: 1 })
    const calls = ['gpt-4o', 'gpt-4-0613', 'claude-sonnet-4-5', 'mistral-large'].map((model) => call('hello world', { model }))
    const first = await counter.count(calls)
    expect(first).toEqual([hello, hello, hello, hello])
    await new Promise((resolve) => setTimeout(resolve, 30))
    expect(await counter.count(calls)).toEqual(first)
    expect(faults).toEqual([])
  })

  test('a thousand calls are a handful of messages', async () => {
    const { counter } = opened()
    const counted = await counter.count(Array.from({ length: 1000 }, () => call('hello world')))
    expect(counted).toHaveLength(1000)
    expect(counted.every((counts) => counts?.inputTokens === 8)).toBe(true)
    expect(counter.messages).toBe(1)
  })

  test('large bodies go in several messages, and stay whole on this side', async () => {
    const { counter } = opened()
    const large = call('word '.repeat(200_000))
    const counted = await counter.count([large, large, large, large, large, large])
    // 200,000 words of one token each, and what is around them: 1 MiB of it is counted, all of it is told.
    for (const counts of counted) expect(counts?.inputTokens).toBeCloseTo(200_007, -3)
    expect(counter.messages).toBe(2)
    expect(large.request?.bytes.length).toBeGreaterThan(1_000_000)
  })
})

describe('what goes wrong with the thread costs one call at most', () => {
  test('it dies at one call: that one is not counted, the others are', async () => {
    const { counter, faults } = opened({
      script: scripted(`${header}
        parentPort.on('message', ({ id, calls }) => {
          for (const [at, call] of calls.entries()) {
            Atomics.store(progress, 0, at)
            if (isPoison(call)) process.exit(9)
          }
          parentPort.postMessage({ id, counts: calls.map(() => counts), fault: null })
        })`),
    })
    const some = ['a', 'b', 'poison', 'c'].map((model) => call('x', { model }))
    expect((await counter.count(some)).map((counts) => counts?.inputTokens ?? null)).toEqual([1, 1, null, 1])
    expect(faults).toEqual(['Error: The thread ended with 9.', 'Error: The thread ended with 9.'])
    expect((await counter.count([call('x')]))[0]?.inputTokens).toBe(1)
  })

  test('it hangs at one call', async () => {
    const { counter, faults } = opened({
      deadlineMs: 200,
      script: scripted(`${header}
        parentPort.on('message', ({ id, calls }) => {
          for (const [at, call] of calls.entries()) {
            Atomics.store(progress, 0, at)
            while (isPoison(call));
          }
          parentPort.postMessage({ id, counts: calls.map(() => counts), fault: null })
        })`),
    })
    const some = ['poison', 'a'].map((model) => call('x', { model }))
    expect((await counter.count(some)).map((counts) => counts?.inputTokens ?? null)).toEqual([null, 1])
    expect(faults[0]).toContain('No progress')
  })

  test('its heap is full: the process lives on', async () => {
    const { counter, faults } = opened({
      script: scripted(`${header}
        parentPort.on('message', ({ id, calls }) => {
          for (const [at, call] of calls.entries()) {
            Atomics.store(progress, 0, at)
            const kept = []
            while (isPoison(call)) kept.push(new Array(100_000).fill(kept.length))
          }
          parentPort.postMessage({ id, counts: calls.map(() => counts), fault: null })
        })`),
    })
    const some = ['poison', 'a'].map((model) => call('x', { model }))
    expect((await counter.count(some)).map((counts) => counts?.inputTokens ?? null)).toEqual([null, 1])
    expect(faults[0]).toContain('ERR_WORKER_OUT_OF_MEMORY')
  })

  test('it is missing: nothing is counted, and it is not tried again for a while', async () => {
    let now = 0
    const { counter, faults } = opened({ script: new URL('./missing.js', import.meta.url), now: () => now })
    expect(await counter.count([call('x'), call('y')])).toEqual([null, null])
    expect(faults).toHaveLength(2)
    expect(await counter.count([call('x')])).toEqual([null])
    expect(faults).toHaveLength(2)
    now = 60_000
    expect(await counter.count([call('x')])).toEqual([null])
    expect(faults).toHaveLength(3)
  })

  test('closing does not wait for a call that hangs', async () => {
    const { counter } = opened({
      script: scripted(`${header}
        parentPort.on('message', ({ calls }) => { Atomics.store(progress, 0, 0); Atomics.notify(progress, 0); for (;;); })`),
    })
    const counting = counter.count([call('x')])
    await counter.close()
    expect(await counting).toEqual([null])
    expect(await counter.count([call('x')])).toEqual([null])
  })
})
