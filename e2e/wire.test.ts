import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { recordingsDir } from '../core/providers/recordings.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { inParallel } from './support/in-parallel.js'
import { bodyPlayed, startReplay, tapes, type ReplayUpstream, type Tape, type Way } from './support/replay.js'
import { send, sha256Of, type Answer } from './support/send.js'

// Every recording goes through the real proxy and the real ingest: in the pieces it is stored in, byte by byte, in random pieces, and
// in other content codings. What the client gets is compared by SHA-256, what the row says with expected.json.

const all = tapes()

/** Providers whose path carries a resource or region after the name. */
const segments: Readonly<Record<string, string>> = { azure: '/acme', vertex: '/us-east5', bedrock: '/us-east-1' }
const pathOf = ({ provider, path }: Tape): string => `/${provider}${segments[provider] ?? ''}${path}`

/** Where tokens and cost are promised exactly (issue 3); of every other provider a figure is right or null with a reason. */
const promised = ({ provider, path }: Tape): boolean =>
  (provider === 'openai' && /\/v1\/(?:chat\/completions|responses|embeddings)$/.test(path)) ||
  (provider === 'anthropic' && /\/v1\/messages(?:\/count_tokens)?(?:\?|$)/.test(path)) ||
  (provider === 'gemini' && /:(?:streamG|g)enerateContent(?:\?|$)/.test(path))

const coded: readonly Way[] = ['gzip', 'br', 'deflate']
/** Every other recording that was sent plain is also sent in the three codings. */
const waysOf = (tape: Tape, index: number): readonly Way[] => [
  'stored',
  'bytes',
  `split-${index * 2 + 1}`,
  `split-${index * 2 + 2}`,
  ...(tape.encoding === null && index % 2 === 0 ? coded : []),
]

/** expected.json has the prices of 2026-08-19. Since 2026-08-21 a million tokens of gpt-5.6 cost 4 fresh, 5 written, 20 out. */
const pricesSince: Readonly<Record<string, number>> = {
  'openai-chat-cache-write-gpt56': (3 * 4 + 1217 * 5 + 100 * 20) / 1e6,
  'openai-responses-cache-write-gpt56': (3 * 4 + 1217 * 5 + 100 * 20) / 1e6,
}
const costNow = ({ id, costUsd, costBasis }: Tape): number | null =>
  ['provider', 'checked', 'engine'].includes(costBasis ?? '') ? (pricesSince[id] ?? costUsd) : null

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

const dropped = new Set(['host', 'content-length', 'connection', 'transfer-encoding'])
const play = async ({ tape, name }: Playing): Promise<void> => {
  const headers = Object.fromEntries(Object.entries(tape.requestHeaders).filter(([header]) => !dropped.has(header.toLowerCase())))
  const answer = await send(`${house.proxy}${pathOf(tape)}`, {
    method: tape.method,
    headers: { ...headers, 'x-play': name, 'weir-property-play': name, 'content-length': String(tape.requestBody.length) },
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
  })
  const told = (tape: Tape, fields: readonly string[]): Readonly<Record<string, number | null>> =>
    Object.fromEntries(fields.map((field) => [field, tape.expect[field] ?? null]))

  const expectCost = (row: Row, tape: Tape, way: Way): void => {
    const usd = costNow(tape)
    if (usd !== null)
      expect.soft(Math.abs(Number(row.cost ?? 'NaN') - usd), `${way}: ${String(row.cost)} for ${usd}`).toBeLessThan(1e-9)
  }

  test.each(all.filter(promised))('$id: tokens and cost, exactly', (tape) => {
    for (const { way, name } of playings.filter((playing) => playing.tape === tape)) {
      const [row] = rows.get(name) ?? []
      if (row === undefined) throw new Error(`${way}: no row`)
      const tokens = tokensOf(row)
      if (tape.usageSource === 'wire') {
        expect.soft({ way, ...tokens }).toEqual({ way, ...told(tape, Object.keys(tokens)) })
        expect.soft({ way, source: row.usageSource, reason: row.usageReason }).toEqual({ way, source: 'wire', reason: '' })
      } else if (tape.status === 200 && tape.api !== 'count_tokens') {
        // Nothing on the wire: counted by us, and marked.
        expect.soft({ way, source: row.usageSource, reason: row.usageReason, cost: row.costStatus }).toEqual({
          way,
          source: 'estimated',
          reason: 'not_on_wire',
          cost: 'estimated',
        })
        expect.soft(row.inputTokens, way).toBeGreaterThan(0)
        expect.soft(row.outputTokens, way).toBeGreaterThan(0)
      } else {
        expect.soft({ way, ...tokens }).toEqual({ way, ...told(tape, Object.keys(tokens)) })
        expect.soft(row.usageReason, way).toBe('not_applicable')
      }
      if (!tape.billable)
        expect.soft({ way, cost: Number(row.cost), status: row.costStatus }).toEqual({ way, cost: 0, status: 'not_billable' })
      else if (costNow(tape) !== null) expectCost(row, tape, way)
      // 10 searches at 10 USD a thousand are part of it; whether the passes behind the sum are long ones is not told.
      if (tape.id === 'anthropic-stream-pause-turn')
        expect.soft(Number(row.cost), way).toBeCloseTo(404_500 * 3e-6 + 943 * 15e-6 + 0.1, 9)
    }
  })

  test.each(all.filter((tape) => !promised(tape)))('$id: a figure is right, or null with a reason', (tape) => {
    for (const { way, name } of playings.filter((playing) => playing.tape === tape)) {
      const [row] = rows.get(name) ?? []
      if (row === undefined) throw new Error(`${way}: no row`)
      if (row.usageSource === 'estimated') {
        expect
          .soft({ way, wire: tape.usageSource, reason: row.usageReason })
          .toEqual({ way, wire: 'none', reason: 'not_on_wire' })
        expect.soft(row.costStatus, way).not.toBe('exact')
        continue
      }
      for (const [field, value] of Object.entries(tokensOf(row)))
        if (value !== null) expect.soft({ way, [field]: value }).toEqual({ way, [field]: tape.expect[field] ?? null })
      if (row.inputTokens === null && row.outputTokens === null)
        expect.soft({ way, source: row.usageSource, why: row.usageReason !== '' }).toEqual({ way, source: 'none', why: true })
      if (!tape.billable) expect.soft({ way, cost: Number(row.cost) }).toEqual({ way, cost: 0 })
      // A read is no charge (cost.md §1: poll). Everything else that was not read costs something unknown.
      else if (tape.method === 'GET')
        expect
          .soft({ way, status: row.costStatus, reason: row.costReason })
          .toEqual({ way, status: 'not_billable', reason: 'read' })
      else if (row.inputTokens === null && row.outputTokens === null && row.costStatus !== 'provider')
        expect.soft({ way, cost: row.cost, status: row.costStatus }).toEqual({ way, cost: null, status: 'unpriced' })
      if (['exact', 'provider'].includes(row.costStatus)) expectCost(row, tape, way)
    }
  })
})
