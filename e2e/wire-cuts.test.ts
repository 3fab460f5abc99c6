import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { routeOf } from '../core/providers/routes.js'
import { builtInProviders, type Family } from '../core/providers/registry.js'
import { readAnswer } from '../core/providers/read-answer.js'
import { recordingsDir } from '../core/providers/recordings.js'
import { readUsage } from '../core/usage-reader.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { inParallel } from './support/in-parallel.js'
import { randomFrom } from './support/random.js'
import { callerHeaders, pathOf, startReplay, tapes, type ReplayUpstream, type Tape, type Way } from './support/replay.js'
import { send, type Answer } from './support/send.js'

// Every recorded answer is ended early: by the upstream's FIN, by a reset, by the client; on the edges of events, one byte beside
// them, and anywhere. wire.md §7: one row, the bytes as far as they came; before the usage has passed, `estimated` with reason `cut`;
// after it, `wire`.

const all = tapes().filter(({ status }) => status === 200)

/** How many bytes of an answer tell all of its usage, found by asking the reader for ever longer beginnings. */
const usageWholeAfter = (tape: Tape): number => {
  const provider = builtInProviders.get(
    tape.provider === 'anthropic' && tape.path.includes('/publishers/') ? 'vertex' : tape.provider,
  )
  if (provider === undefined) throw new Error(`${tape.id}: no provider`)
  const path = tape.path.split('?')[0]?.replaceAll(/%3a/gi, ':') ?? ''
  const told = provider.prefixes.find((prefix) => path.startsWith(prefix.path))?.family ?? ('openai-chat' as Family)
  const { family, api } = routeOf(provider, tape.method, path, told)
  const usageOf = (bytes: Buffer): string => {
    const reader = readAnswer({
      family,
      api,
      provider: provider.name,
      streaming: tape.streaming,
      status: 200,
      contentType: tape.contentType,
      contentEncoding: null,
    })
    reader.push(bytes)
    void reader.end()
    const { notes: _, ...usage } = readUsage(provider.name, api, reader.facts().usageRaw)
    return JSON.stringify(usage)
  }
  const whole = usageOf(tape.body)
  let [low, high] = [0, tape.body.length]
  while (low < high) {
    const middle = (low + high) >> 1
    if (usageOf(tape.body.subarray(0, middle)) === whole) high = middle
    else low = middle + 1
  }
  return low
}

const boundaries = ({ body }: Tape): readonly number[] => {
  const found: number[] = []
  for (let i = 1; i < body.length; i++)
    if (body[i - 1] === 0x0a && (body[i - 2] === 0x0a || (body[i - 2] === 0x0d && body[i - 3] === 0x0a))) found.push(i)
  return found
}

const cutsPerEnd = 6
/** Some edges of events, the bytes beside them, and some other places; other ones for each way to end. */
const placesOf = (tape: Tape, seed: number): readonly number[] => {
  const next = randomFrom(seed)
  const edges = boundaries(tape)
  const some = new Set<number>()
  while (some.size < cutsPerEnd && some.size < tape.body.length - 1) {
    const edge = edges[Math.floor(next() * edges.length)]
    const at =
      edge !== undefined && next() < 0.5 ? edge + Math.floor(next() * 3) - 1 : 1 + Math.floor(next() * (tape.body.length - 1))
    if (at > 0 && at < tape.body.length) some.add(at)
  }
  return [...some]
}

interface Playing {
  readonly tape: Tape
  readonly way: Way
  readonly at: number
  readonly name: string
}
/** Encoded answers are cut as well, but where in the text that is, is not known here. */
const playings: readonly Playing[] = all.flatMap((tape, index) =>
  (['fin', 'reset', 'hold'] as const).flatMap((how, h) =>
    placesOf(tape, index * 3 + h + 1).map((at) => ({ tape, way: `${how}-${at}` as const, at, name: `${tape.id} ${how}-${at}` })),
  ),
)

let upstream: ReplayUpstream
let house: RunningHouse
const answers = new Map<string, Answer | Error>()
const rows = new Map<string, Row[]>()

const play = async ({ tape, way, at, name }: Playing): Promise<void> => {
  const answer = await send(`${house.proxy}${pathOf(tape)}`, {
    method: tape.method,
    headers: {
      ...callerHeaders(tape),
      'weir-stream-usage': 'off',
      // An upstream that holds would be read on at Bedrock, whose answers are drained, for two minutes.
      'weir-disconnect': 'abort',
      'x-play': name,
      'weir-property-play': name,
      'content-length': String(tape.requestBody.length),
    },
    body: tape.requestBody,
    ...(way.startsWith('hold')
      ? { onData: (soFar: Buffer, abort: () => void) => (soFar.length >= at ? abort() : undefined) }
      : {}),
  }).catch((cause: unknown) => cause as Error)
  answers.set(name, answer)
}

describe.skipIf(recordingsDir === null)('recorded answers that end early (WEIR_WIRE_FIXTURES is set)', () => {
  beforeAll(async () => {
    upstream = await startReplay(all)
    house = await openHouse({ yaml: providersAt(upstream.origin, [...new Set(all.map(({ provider }) => provider))]) })
    await inParallel(playings, 8, play)
    await house.caughtUp(60_000)
    for (const row of await house.rows('1')) {
      const name = row.properties.play ?? ''
      rows.set(name, [...(rows.get(name) ?? []), row])
    }
  })
  afterAll(async () => {
    await house?.stop()
    await upstream?.close()
  })

  test.each(all)('$id', (tape) => {
    const wholeAfter = tape.usageSource === 'wire' ? usageWholeAfter(tape) : Infinity
    for (const { way, at, name } of playings.filter((playing) => playing.tape === tape)) {
      const found = rows.get(name) ?? []
      expect.soft({ way, rows: found.length }).toEqual({ way, rows: 1 })
      const [row] = found
      if (row === undefined) continue
      const answer = answers.get(name)
      const bytes = answer instanceof Error || answer === undefined ? Buffer.alloc(0) : answer.bytes
      const came = tape.body.subarray(0, at)
      // Nothing of the recording is changed; behind it stands at most our own error event.
      const shared = Math.min(bytes.length, came.length)
      expect.soft(bytes.subarray(0, shared).equals(came.subarray(0, shared)), `${way}: bytes`).toBe(true)
      if (!way.startsWith('reset')) expect.soft(bytes.length, `${way}: bytes that came`).toBeGreaterThanOrEqual(at)
      const allowed = way.startsWith('hold')
        ? ['client_abort', 'complete', 'error_event']
        : ['upstream_abort', 'complete', 'error_event']
      expect.soft(allowed, `${way}: ${row.outcome}`).toContain(row.outcome)
      if (tape.encoding !== null) continue
      if (!tape.streaming) {
        // A body that is not whole tells no usage: counted by us, or unknown; free only where nothing could be owed.
        if (row.costReason === 'free' || row.costReason === 'poll') continue
        // Bedrock tells the count in a header, before the body begins.
        if (row.usageSource === 'header') {
          expect.soft({ way, input: row.inputTokens }).toEqual({ way, input: tape.expect.input_tokens })
          continue
        }
        expect.soft(['estimated', 'none'], `${way}: ${row.usageSource}`).toContain(row.usageSource)
        expect
          .soft(['exact', 'not_billable', 'provider'], `${way}: ${row.costStatus} ${row.costReason}`)
          .not.toContain(row.costStatus)
        expect.soft(row.cost === null || Number(row.cost) > 0, `${way}: ${String(row.cost)}`).toBe(true)
        continue
      }
      if (at >= wholeAfter && !way.startsWith('reset')) {
        expect.soft({ way, source: row.usageSource, input: row.inputTokens, output: row.outputTokens }).toEqual({
          way,
          source: 'wire',
          input: tape.expect.input_tokens ?? null,
          output: tape.expect.output_tokens ?? null,
        })
        continue
      }
      // A read that passed nothing on owes nothing: who made the response is charged, or who reads it whole.
      if (tape.method === 'GET' && ['poll', 'already_charged'].includes(row.costReason)) continue
      if (row.usageSource === 'wire') continue // complete in its figures, though the reader would have had more
      expect.soft({ way, source: row.usageSource }).toEqual({ way, source: 'estimated' })
      expect.soft(['cut', 'not_on_wire'], `${way}: ${row.usageReason}`).toContain(row.usageReason)
      expect.soft(['exact', 'not_billable', 'provider'], `${way}: ${row.costStatus}`).not.toContain(row.costStatus)
      expect.soft(row.cost === null || Number(row.cost) > 0, `${way}: ${String(row.cost)}`).toBe(true)
      expect.soft(row.inputTokens === null || row.inputTokens > 0, `${way}: input ${String(row.inputTokens)}`).toBe(true)
    }
  })
})
