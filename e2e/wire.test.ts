import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordingsDir } from '../core/providers/recordings.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { inParallel } from './support/in-parallel.js'
import {
  bodyPlayed,
  callerHeaders,
  pathOf,
  startReplay,
  tapes,
  type ReplayUpstream,
  type Tape,
  type Way,
} from './support/replay.js'
import { send, sha256Of, type Answer } from './support/send.js'

// Every recording goes through the real proxy and the real ingest: in the pieces it is stored in, byte by byte, in random pieces, and
// in other content codings. What the client gets is compared by SHA-256, what the row says with expected.json.

const all = tapes()

const coded: readonly Way[] = ['gzip', 'br', 'deflate', 'zstd']
/** Every recording that was sent plain is also sent in the codings. */
const waysOf = (tape: Tape, index: number): readonly Way[] => [
  'stored',
  'bytes',
  'edges',
  `split-${index * 2 + 1}`,
  `split-${index * 2 + 2}`,
  ...(tape.encoding === null ? coded : []),
]

/** expected.json has the prices of 2026-08-19. Since 2026-08-21 a million tokens of gpt-5.6 cost 4 fresh, 5 written, 20 out. */
const pricesSince: Readonly<Record<string, number>> = {
  'openai-chat-cache-write-gpt56': (3 * 4 + 1217 * 5 + 100 * 20) / 1e6,
  'openai-responses-cache-write-gpt56': (3 * 4 + 1217 * 5 + 100 * 20) / 1e6,
}
/** Prices that are others today than on that day, or hang on the hour: priced at that day in core/prices/recordings.test.ts. */
const dated = new Set(['deepseek-stream-cache-hit', 'deepseek-responses-stream', 'mistral-stream-cached', 'together-stream'])
const costNow = ({ id, costUsd, costBasis }: Tape): number | null =>
  ['provider', 'checked', 'engine'].includes(costBasis ?? '') && !dated.has(id) ? (pricesSince[id] ?? costUsd) : null

interface Playing {
  readonly tape: Tape
  readonly way: Way
  readonly name: string
}
const playings: readonly Playing[] = all.flatMap((tape, index) =>
  waysOf(tape, index).map((way) => ({ tape, way, name: `${tape.id} ${way}` })),
)

let upstream: ReplayUpstream
let house: RunningHouse
const answers = new Map<string, Answer | Error>()
const rows = new Map<string, Row[]>()

const play = async ({ tape, name }: Playing): Promise<void> => {
  const answer = await send(`${house.proxy}${pathOf(tape)}`, {
    method: tape.method,
    // Asking for usage has tests of its own: here the upstream gets what was recorded.
    headers: {
      ...callerHeaders(tape),
      'weir-stream-usage': 'off',
      'x-play': name,
      'weir-property-play': name,
      'content-length': String(tape.requestBody.length),
    },
    body: tape.requestBody,
  }).catch((cause: unknown) => cause as Error)
  answers.set(name, answer)
}

describe.skipIf(recordingsDir === null)('recordings (WEIR_WIRE_FIXTURES is set)', () => {
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

  test('one row for each call, none beside', async () => {
    const [counted] = await house.query<{ n: number; ids: number }>(
      'SELECT toUInt32(count()) AS n, toUInt32(uniqExact(request_id)) AS ids FROM requests',
    )
    expect(counted).toEqual({ n: playings.length, ids: playings.length })
    expect([...rows.keys()].sort()).toEqual(playings.map(({ name }) => name).sort())
  })

  test.each(all)('$id: bytes', (tape) => {
    for (const { way, name } of playings.filter((playing) => playing.tape === tape)) {
      const answer = answers.get(name)
      if (answer === undefined || answer instanceof Error) throw new Error(`${way}: no answer`, { cause: answer })
      expect.soft({ way, status: answer.status, end: answer.end }).toEqual({ way, status: tape.status, end: 'clean' })
      expect.soft({ way, sha256: answer.sha256 }).toEqual({ way, sha256: sha256Of(bodyPlayed(tape, way)) })
      for (const [header, value] of Object.entries(tape.responseHeaders))
        if (!['transfer-encoding', 'content-length', 'content-encoding', 'connection'].includes(header))
          expect.soft({ way, [header]: answer.headers[header] }).toEqual({ way, [header]: value })
      const arrived = upstream.arrived.get(name) ?? []
      expect.soft(arrived).toHaveLength(1)
      expect.soft({ way, method: arrived[0]?.method, path: arrived[0]?.path, body: arrived[0]?.bodySha256 }).toEqual({
        way,
        method: tape.method,
        path: tape.path,
        body: sha256Of(tape.requestBody),
      })
      const row = rows.get(name)?.[0]
      expect.soft({ way, id: row?.id, status: row?.status, outcome: row?.outcome }).toEqual({
        way,
        id: answer.id,
        status: tape.status,
        outcome: 'complete',
      })
      expect.soft({ way, resBytes: row?.resBytes }).toEqual({ way, resBytes: answer.bytes.length })
      expect.soft({ way, stored: row?.responseSha256 }).toEqual({ way, stored: answer.sha256 })
    }
  })

  const tokensOf = (row: Row): Readonly<Record<string, number | null>> => ({
    input_tokens: row.inputTokens,
    output_tokens: row.outputTokens,
    cache_read_tokens: row.cacheReadTokens,
    cache_write_tokens: row.cacheWriteTokens,
    cache_write_5m_tokens: row.cacheWrite5mTokens,
    cache_write_1h_tokens: row.cacheWrite1hTokens,
    reasoning_tokens: row.reasoningTokens,
    input_audio_tokens: row.inputAudioTokens,
    output_audio_tokens: row.outputAudioTokens,
    input_image_tokens: row.inputImageTokens,
    output_image_tokens: row.outputImageTokens,
  })
  const told = (tape: Tape, fields: readonly string[]): Readonly<Record<string, number | null>> =>
    Object.fromEntries(fields.map((field) => [field, tape.expect[field] ?? null]))

  /** `extra` of expected.json, in the names of `usage_extra`. */
  const extraOf = ({ extra }: Tape): Readonly<Record<string, number>> => {
    const { service_tier: _, billed_units: billed, ...counts } = extra
    const units = (billed ?? {}) as Readonly<Record<string, number>>
    return Object.fromEntries(
      [
        ...Object.entries(counts as Record<string, number>),
        ...Object.entries(units).map(([unit, n]) => [`billed_${unit}`, n] as const),
      ].filter(([, n]) => n > 0),
    )
  }

  test.each(all)('$id: tokens and cost', (tape) => {
    const reread = new Set<string>()
    for (const { way, name } of playings.filter((playing) => playing.tape === tape)) {
      const [row] = rows.get(name) ?? []
      if (row === undefined) throw new Error(`${way}: no row`)
      const tokens = tokensOf(row)
      if (tape.usageSource === 'wire') {
        expect.soft({ way, ...tokens }).toEqual({ way, ...told(tape, Object.keys(tokens)) })
        expect.soft({ way, source: row.usageSource, reason: row.usageReason }).toEqual({ way, source: 'wire', reason: '' })
        expect.soft({ way, ...row.usageExtra }).toMatchObject({ way, ...extraOf(tape) })
        if (tape.extra.service_tier !== undefined) expect.soft(row.serviceTier, way).toBe(tape.extra.service_tier)
        if (tape.providerCostUsd !== null) expect.soft(Number(row.providerCost), way).toBeCloseTo(tape.providerCostUsd, 12)
      } else if (tape.status === 200 && tape.api !== 'count_tokens') {
        // Nothing on the wire: counted by us, and marked; never 0 and never exact.
        if (row.usageExtra.images === undefined)
          expect.soft({ way, source: row.usageSource, reason: row.usageReason }).toEqual({
            way,
            source: 'estimated',
            reason: 'not_on_wire',
          })
        expect.soft(['exact', 'not_billable'].includes(row.costStatus) && row.usageExtra.images === undefined, way).toBe(false)
        expect.soft(row.cost === null || Number(row.cost) > 0, `${way}: ${String(row.cost)}`).toBe(true)
        if (row.usageSource === 'estimated') expect.soft(row.inputTokens, way).toBeGreaterThan(0)
      } else {
        expect.soft({ way, ...tokens }).toEqual({ way, ...told(tape, Object.keys(tokens)) })
        expect.soft(row.usageReason, way).toBe('not_applicable')
      }
      if (tape.modelResponded !== null) expect.soft(row.responseModel, way).toBe(tape.modelResponded)
      if (!tape.billable)
        expect.soft({ way, cost: Number(row.cost), status: row.costStatus }).toEqual({ way, cost: 0, status: 'not_billable' })
      // The first read of a response is charged; whoever reads it again is not.
      else if (tape.method === 'GET' && row.costReason === 'already_charged') reread.add(name)
      else {
        const usd = costNow(tape)
        if (usd !== null)
          expect.soft(Math.abs(Number(row.cost ?? 'NaN') - usd), `${way}: ${String(row.cost)} for ${usd}`).toBeLessThan(1e-9)
      }
      // 10 searches at 10 USD a thousand are part of it; whether the passes behind the sum are long ones is not told.
      if (tape.id === 'anthropic-stream-pause-turn')
        expect.soft(Number(row.cost), way).toBeCloseTo(404_500 * 3e-6 + 943 * 15e-6 + 0.1, 9)
    }
    const reads = tape.method === 'GET' && tape.billable ? playings.filter((playing) => playing.tape === tape).length : 1
    expect.soft(reread.size).toBe(reads - 1)
  })
})
