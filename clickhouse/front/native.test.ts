import { expect, onTestFinished, test } from 'vitest'
import type { Db } from '../db.js'
import { openDb } from '../open.js'
import { testFolder } from '../testing.js'
import { framedForProtocol } from './native.js'

const revision = 54454
const native = async (db: Db, sql: string): Promise<Buffer> =>
  Buffer.from((await db.raw(sql, { format: 'Native', params: {} })).bytes)
const opened = async (): Promise<Db> => {
  const db = await openDb({ clickhouseUrl: null, dataDir: testFolder(onTestFinished) })
  onTestFinished(() => db.close())
  return db
}

const info = [1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0]

test('block info stands before a block, a zero byte after each type', async () => {
  const db = await opened()
  expect(await native(db, 'SELECT toUInt8(7) AS a, toInt16(1) AS b')).toEqual(
    Buffer.from([2, 1, 1, 97, 5, ...Buffer.from('UInt8'), 7, 1, 98, 5, ...Buffer.from('Int16'), 1, 0]),
  )
  expect(framedForProtocol(await native(db, 'SELECT toUInt8(7) AS a, toInt16(1) AS b'), revision)).toEqual(
    Buffer.from([...info, 2, 1, 1, 97, 5, ...Buffer.from('UInt8'), 0, 7, 1, 98, 5, ...Buffer.from('Int16'), 0, 1, 0]),
  )
})

test('an older client gets the answer as it is', async () => {
  const answer = Buffer.from([1, 1, 1, 97, 5, ...Buffer.from('UInt8'), 7])
  expect(framedForProtocol(answer, 0)).toBe(answer)
  expect(framedForProtocol(answer, 54453)).toBe(answer)
})

const types: readonly string[] = [
  "toString(number * 1000) || repeat('x', number * 100)",
  "toFixedString('abc', 5)",
  'toDecimal32(1.5, 2)',
  'toDecimal64(1.5, 12)',
  'toDecimal128(1.5, 12)',
  'toDecimal256(1.5, 12)',
  "toUUID('01890a5d-ac96-774b-bcce-b302099a8057')",
  "toDateTime64(number, 3, 'UTC')",
  "toDateTime(number, 'UTC')",
  'toDate(number)',
  'toDate32(number)',
  "CAST('a', 'Enum8(''a'' = 1, ''b,)'' = 2)')",
  'number % 2 = 0',
  'if(number % 2 = 0, NULL, toUInt32(number))',
  'toLowCardinality(toString(number % 2))',
  "CAST(if(number = 0, NULL, 'x'), 'LowCardinality(Nullable(String))')",
  'range(number)',
  'arrayMap(x -> toLowCardinality(toString(x)), range(number))',
  "CAST([], 'Array(LowCardinality(String))')",
  "map('a', number, toString(number), 2)",
  "CAST(map('a', 'b'), 'Map(LowCardinality(String), String)')",
  "CAST(map(), 'Map(LowCardinality(String), String)')",
  "(number, 'x', [toLowCardinality('y')])",
  "CAST([(1, 'x', NULL)], 'Array(Tuple(n UInt8, target LowCardinality(String), cost Nullable(Decimal(18, 12))))')",
  'INTERVAL 1 DAY',
  "toIPv4('1.2.3.4')",
  "toIPv6('::1')",
  'NULL',
  'toInt256(number)',
  'toFloat64(number)',
  "CAST(number, 'SimpleAggregateFunction(sum, Int64)')",
]

const varint = (bytes: Buffer, at: number): [value: number, next: number] => {
  const byte = bytes.readUInt8(at)
  if (byte < 128) return [byte, at + 1]
  const [rest, next] = varint(bytes, at + 1)
  return [byte - 128 + rest * 128, next]
}

/** The header of an answer of one column, and what follows its type. */
const column = (answer: Buffer): { named: Buffer; values: Buffer } => {
  const start = 2
  const [nameBytes, name] = varint(answer, start)
  const [typeBytes, type] = varint(answer, name + nameBytes)
  return { named: answer.subarray(start, type + typeBytes), values: answer.subarray(type + typeBytes) }
}

test('every type of our tables and the common ones are stepped over whole', async () => {
  const db = await opened()
  const from = ' FROM numbers(5)'
  // The engine's own answers to each column alone say where a column ends.
  const alone = []
  for (const [i, sql] of types.entries()) alone.push(column(await native(db, `SELECT ${sql} AS c${i}${from}`)))
  const together = await native(db, `SELECT ${types.map((sql, i) => `${sql} AS c${i}`).join(', ')}${from}`)
  const expected = Buffer.concat([
    Buffer.from([...info, alone.length, 5]),
    ...alone.flatMap(({ named, values }) => [named, Buffer.from([0]), values]),
  ])
  expect(Buffer.from(framedForProtocol(together, revision)).toString('hex')).toBe(expected.toString('hex'))
})

test('several blocks are framed each', async () => {
  const db = await opened()
  const answer = await native(
    db,
    "SELECT number AS n, toString(number) AS s FROM numbers(3) UNION ALL SELECT number, 'x' FROM numbers(2)",
  )
  const framed = Buffer.from(framedForProtocol(answer, revision))
  const blocks = framed.toString('latin1').split(Buffer.from(info).toString('latin1')).length - 1
  expect(blocks).toBeGreaterThanOrEqual(1)
  expect(framed.length).toBe(answer.length + blocks * (info.length + 2))
})

test('all columns of requests pass; an aggregate state is refused by name', async () => {
  const db = await opened()
  expect(framedForProtocol(await native(db, 'SELECT * FROM requests'), revision)).toBeInstanceOf(Uint8Array)
  const state = await native(db, 'SELECT quantilesTDigestState(0.5)(number) AS q FROM numbers(2)')
  expect(() => framedForProtocol(state, revision)).toThrow(/type AggregateFunction cannot be sent/)
})
