import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { openHouse, type Row, type RunningHouse } from '../support/house.js'
import { inParallel } from '../support/in-parallel.js'
import { roleOf } from '../support/processes.js'
import { sha256Of } from '../support/send.js'
import { sayingOf, told } from './answers.js'
import { Progress } from './caller.js'
import { meet, nameOf, openCells, situations, type Cell, type Form, type Outcome, type Seen } from './cells.js'
import { makeCertificates } from './certificates.js'
import type { Expected } from './expected.js'
import { faults } from './faults.js'
import { slowestOf, tableOf } from './table.js'
import { openUpstream, type Upstream } from './upstream.js'

// The upstream fault grid (reliability.md §4): thirty faults of an upstream A, each met plain and as a stream, with and without a cache,
// alone and with a healthy B behind it. All cells are called first, many at once and each at an A of its own; then each says what it saw.
// WEIR_GRID_TABLE=<file> writes that down as a table.

/** Both ends wait for each other, hardly for the processor. */
const atOnce = 48
const { WEIR_GRID_TABLE: table } = process.env
const connectMs = 3000
const waitMs = 5000

let folder: string
let house: RunningHouse
let b: Upstream
let cells: readonly Cell[]
let descriptorsBefore: number
const outcomes = new Map<string, Outcome>()
/** Of calls that came to no end for the client. */
const failures = new Map<string, unknown>()
const rows = new Map<string, Row>()
const attempts = new Map<string, readonly (readonly [provider: string, status: number, kind: string])[]>()

const descriptors = (): number => readdirSync(`/proc/${house.pids.proxy}/fd`).length
const formsOf = (all: readonly Cell[]): readonly (readonly [Cell, Form])[] =>
  all.flatMap((cell) => cell.forms.map((form) => [cell, form] as const))

const yamlOf = (all: readonly Cell[]): string => {
  const providers = formsOf(all).map(
    ([, { provider, origin }]) => `  ${provider}: { origin: "${origin}", root: /v1, family: openai-chat, private: true }`,
  )
  const price = (provider: string, { priceIn, priceOut }: (typeof told)['A' | 'B']): string =>
    `  - { provider: ${provider}, model: "*", prices: { input: "${priceIn}", output: "${priceOut}" } }`
  return [
    'providers:',
    `  b: { origin: "${b.origin}", root: /v1, family: openai-chat, auth: none }`,
    ...providers,
    'prices:',
    price('b', told.B),
    ...formsOf(all).map(([, { provider }]) => price(provider, told.A)),
    `timeouts: { connect: ${connectMs}ms, ttft: ${waitMs}ms, idle: ${waitMs}ms }`,
    '',
  ].join('\n')
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'weir-grid-'))
  const certificates = makeCertificates(folder)
  b = await openUpstream({
    client: new Progress(),
    script: (answering) => {
      const { type, whole } = sayingOf('B', answering.asked.body.includes('"stream":true'), 'b')
      answering.head({ type, framing: 'length', length: whole.length })
      answering.say(whole)
    },
  })
  cells = await openCells(certificates)
  house = await openHouse({
    yaml: yamlOf(cells),
    env: {
      NODE_EXTRA_CA_CERTS: certificates.authorityFile,
      NODE_OPTIONS: `--import=${new URL('names.mjs', import.meta.url).href}`,
    },
  })
  descriptorsBefore = descriptors()
  await inParallel(formsOf(cells), atOnce, async ([cell, form]) => {
    // Whatever one form does, the others are met, and it alone is to blame.
    await meet(house, cell, form).then(
      (outcome) => outcomes.set(form.provider, outcome),
      (cause: unknown) => failures.set(form.provider, cause),
    )
  })
  await house.caughtUp()
  for (const row of await house.rows('1')) rows.set(row.id, row)
  const found = await house.query<{ id: string; tried: [string, number, string][] }>(
    'SELECT toString(request_id) AS id, arrayMap(a -> (a.provider, a.status, a.error_kind), attempts) AS tried FROM requests',
  )
  for (const { id, tried } of found) attempts.set(id, tried)
})

afterAll(async () => {
  await house?.stop()
  b?.close()
  for (const [, { upstream }] of formsOf(cells ?? [])) upstream.close()
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true })
})

const usageOf = ({ usageSource, usageReason, inputTokens, outputTokens, costStatus, cost }: Row): unknown => ({
  usageSource,
  usageReason,
  inputTokens,
  outputTokens,
  costStatus,
  cost,
})
const atLeastOne = expect.toSatisfy((tokens: unknown) => Number.isInteger(tokens) && (tokens as number) > 0)
const money = expect.stringMatching(/^0\.0*[1-9]\d*$/)
const withAttempt = (costStatus: string): unknown =>
  expect.objectContaining({
    usageSource: 'wire',
    inputTokens: told.B.input,
    outputTokens: told.B.output,
    costStatus,
    // B's, and 13 tokens of input at A's price.
    cost: '0.000072',
  })
const usages: Readonly<Record<Expected['usage'], unknown>> = {
  A: expect.objectContaining({
    usageSource: 'wire',
    inputTokens: told.A.input,
    outputTokens: told.A.output,
    costStatus: 'exact',
    cost: told.A.costUsd,
  }),
  B: expect.objectContaining({
    usageSource: 'wire',
    inputTokens: told.B.input,
    outputTokens: told.B.output,
    costStatus: 'exact',
    cost: told.B.costUsd,
  }),
  waited: withAttempt('estimated'),
  begun: withAttempt('partial'),
  cut: {
    usageSource: 'estimated',
    usageReason: 'cut',
    inputTokens: atLeastOne,
    outputTokens: atLeastOne,
    costStatus: 'estimated',
    cost: money,
  },
  unread: expect.objectContaining({ usageReason: 'unreadable', outputTokens: null, costStatus: 'unpriced', cost: null }),
  none: expect.objectContaining({
    usageSource: 'none',
    inputTokens: null,
    outputTokens: null,
    costStatus: 'not_billable',
    cost: '0',
  }),
  any: expect.anything(),
}

/** What a call was for its client, for its row and on the bill, or had to be. */
interface Facts {
  readonly client: unknown
  readonly row: unknown
  readonly attempts: unknown
  readonly usage: unknown
  readonly replayed: unknown
  /** R5: what came from upstream is what went to the client. What is ours is no part of it. */
  readonly sha256: unknown
}

const factsOf = (seen: Seen): Facts => {
  const { status, bytes, end, code, interim } = seen
  const row = rows.get(seen.id)
  const warnings = row?.warnings ?? []
  return {
    client: { status, bytes, end, code, interim },
    row: { outcome: row?.outcome, status: row?.status, errorKind: row?.errorKind, notes: row?.usageNotes },
    attempts: attempts.get(seen.id),
    usage: row === undefined ? null : usageOf(row),
    replayed: warnings.includes('replayed'),
    sha256: row?.responseSha256,
  }
}

const factsBy = (expected: Expected, seen: Seen, provider: string, tried = expected.row.attempts): Facts => {
  const { status, bytes, end, code, row, usage } = expected
  return {
    client: { status, bytes, end, code, interim: 0 },
    row: {
      outcome: row.outcome,
      status,
      errorKind: row.errorKind,
      notes: row.note === undefined ? expect.any(Array) : expect.arrayContaining([row.note]),
    },
    attempts: tried.map(([its, kind], n) => [bytes === 'B' && n === tried.length - 1 ? 'b' : provider, its, kind]),
    usage: usages[usage],
    replayed: row.warning === 'replayed',
    sha256: bytes === 'ours' ? expect.anything() : sha256Of(seen.relayed),
  }
}

const hit: Facts = {
  client: { status: 200, bytes: 'A', end: 'clean', code: undefined, interim: 0 },
  row: { outcome: 'cached', status: 200, errorKind: '', notes: expect.any(Array) },
  attempts: [],
  usage: expect.objectContaining({ usageReason: 'cached', costStatus: 'not_billable', cost: '0' }),
  replayed: false,
  sha256: null,
}

/** What one form of a fault came to, and what it had to, as far as the situation goes. */
const compared = ({ fault }: Cell, { provider, variant }: Form): readonly [found: unknown, wanted: unknown] => {
  const outcome = outcomes.get(provider)
  if (outcome === undefined) throw failures.get(provider)
  const { first, again, after, askedOfA, healthy } = outcome
  const { expected, headers = {} } = variant
  const told = expected.bytes === 'A' ? headers : {}
  const found: Record<string, unknown> = {
    ...factsOf(first),
    headers: Object.fromEntries(Object.keys(told).map((name) => [name, first.headers[name]])),
    healthy,
  }
  const wanted: Record<string, unknown> = { ...factsBy(expected, first, provider), headers: told, healthy: true }
  if (again !== null) {
    // Where nothing was kept, it happens all over again.
    const skipsA = faults[fault - 1]?.opensCircuit === true && expected.bytes === 'B'
    found.again = { ...factsOf(again), isHit: again.cache === 'HIT', firstWasHit: first.cache === 'HIT' }
    wanted.again = expected.kept
      ? { ...hit, sha256: sha256Of(first.relayed), isHit: true, firstWasHit: false }
      : { ...factsBy(expected, again, provider, skipsA ? [[200, '']] : undefined), isHit: false, firstWasHit: false }
    if (expected.kept) {
      found.askedOfA = askedOfA[1]
      wanted.askedOfA = askedOfA[0]
    }
  }
  if (after !== null) {
    found.after = factsOf(after)
    wanted.after = factsBy(expected, after, provider)
  }
  return [found, wanted]
}

describe.each(faults.map(({ name }, index) => [index + 1, name] as const))('%i %s', (fault) => {
  test.each(situations.map((situation) => [nameOf(situation), situation] as const))('%s', (_, situation) => {
    const cell = cells.find((each) => each.fault === fault && each.situation === situation) as Cell
    const all = cell.forms.map((form) => [form.variant.name || form.provider, ...compared(cell, form)] as const)
    expect(all.length).toBeGreaterThan(0)
    expect(Object.fromEntries(all.map(([name, found]) => [name, found]))).toEqual(
      Object.fromEntries(all.map(([name, , wanted]) => [name, wanted])),
    )
  })
})

test('one row each, of no call but these', async () => {
  const made = [...outcomes.values()].flatMap(({ ids }) => ids)
  expect(new Set(made).size).toBe(made.length)
  const [counted] = await house.query<{ n: number; ids: number }>(
    'SELECT toUInt32(count()) AS n, toUInt32(uniqExact(request_id)) AS ids FROM requests',
  )
  expect(counted).toEqual({ n: made.length, ids: made.length })
  expect([...rows.keys()].sort()).toEqual([...made].sort())
})

test('the process is the one that began, and nothing failed inside it', () => {
  expect(roleOf(house.supervisor, 'proxy')).toBe(house.pids.proxy)
  expect([...rows.values()].filter(({ errorCode }) => errorCode === 'internal')).toEqual([])
  expect(house.stderr()).not.toMatch(/failed inside Weir|Uncaught/)
})

test('no connection and no descriptor is left, and none was made for nothing', async () => {
  const left = (): unknown => ({
    toA: formsOf(cells)
      .filter(([, { upstream }]) => upstream.open() > 0)
      .map(([, { provider }]) => provider),
    toB: b.open(),
    descriptors: Math.max(0, descriptors() - descriptorsBefore - 2),
  })
  // R7 says 5 s, of which a connection in order is kept for 4; what is left for ever is left at the end of the poll, too.
  await expect.poll(left, { timeout: 20_000, interval: 100 }).toEqual({ toA: [], toB: 0, descriptors: 0 })
  // An attempt needs one; one whose name is known too late needs none.
  const needed = ({ provider, variant, upstream }: Form): number =>
    variant.place === 'slow-name' ? 0 : Math.max(upstream.answers.length, outcomes.get(provider)?.ids.length ?? 0)
  const idle = formsOf(cells).filter(([, form]) => form.upstream.connections() > needed(form))
  expect(idle.map(([, { provider, upstream }]) => [provider, upstream.connections()])).toEqual([])
  if (table !== undefined)
    writeFileSync(table, `${tableOf(cells, outcomes, (id) => rows.get(id)?.outcome ?? '')}\n${slowestOf(cells, outcomes)}\n`)
})
