import { type ClientRequest, request } from 'node:http'
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from 'vitest'
import { type LiveHello, liveHelloSchema, type LiveRows, liveRowsSchema } from './contract.js'
import { idAt, linesOf, type MadeCall, madeCalls, rowOf } from './testing/calls.js'
import { type OpenHouse, openHouse } from './testing/open-house.js'

let house: OpenHouse
beforeAll(async () => {
  house = await openHouse()
})
afterAll(() => house.close())

interface Stream {
  readonly hello: () => LiveHello | undefined
  readonly rows: () => string[]
  readonly skipped: () => number
  readonly ended: () => boolean
  readonly req: ClientRequest
}

/** Listens as a browser does; events are read from the text of the stream. */
const listen = async (path = '/api/live'): Promise<Stream> => {
  let text = ''
  let ended = false
  const req = request({ host: '127.0.0.1', port: house.port, path, agent: false })
  const status = await new Promise<number>((resolve, reject) => {
    req.on('response', (res) => {
      res.setEncoding('utf8')
      res.on('data', (chunk: string) => (text += chunk))
      res.on('error', () => undefined)
      res.on('close', () => (ended = true))
      resolve(res.statusCode ?? 0)
    })
    req.on('error', reject)
    req.end()
  })
  if (status !== 200) throw new Error(`status ${String(status)}`)
  onTestFinished(() => void req.destroy())
  const events = (name: string): string[] =>
    text
      .split('\n\n')
      .slice(0, -1)
      .filter((event) => event.startsWith(`event: ${name}\n`))
      .map((event) => event.slice(event.indexOf('data: ') + 6))
  const batches = (): LiveRows[] => events('rows').map((data) => liveRowsSchema.parse(JSON.parse(data)))
  const stream: Stream = {
    hello: () => events('hello').map((data) => liveHelloSchema.parse(JSON.parse(data)))[0],
    rows: () => batches().flatMap(({ rows }) => rows.map(({ id }) => id)),
    skipped: () => batches().reduce((sum, { skipped }) => sum + skipped, 0),
    ended: () => ended,
    req,
  }
  await vi.waitUntil(() => stream.hello() !== undefined, { timeout: 10_000 })
  return stream
}

let made = 0
/** New calls of a log, stored as ingest does: in the order of their positions. Their times may lie before those stored already. */
const arrive = async (count: number, { source = 'w1', ageMs = 1000, userId = 'ada' } = {}): Promise<string[]> => {
  const at = Date.now() - ageMs
  const calls: MadeCall[] = madeCalls({ count, endMs: at, spanMs: 100, source }).map((call) => {
    made++
    return { ...call, id: idAt(call.atMs, made), offset: made * 10, userId }
  })
  await house.db.insert('requests', linesOf(calls.map((call) => rowOf(call))), `batch ${String(made)}`)
  house.stored()
  return calls.map(({ id }) => id)
}
const eventually = (stream: Stream, ids: readonly string[]): Promise<void> =>
  vi.waitFor(() => expect([...stream.rows()].sort()).toEqual([...ids].sort()), { timeout: 10_000 })

test('an empty store says so; the first call arrives without asking again, and then any is true', async () => {
  const stream = await listen()
  expect(stream.hello()).toEqual({ any: false })
  const first = await arrive(1)
  await eventually(stream, first)
  expect((await listen()).hello()).toEqual({ any: true })
})

test('each row comes once: late ones, of several logs, and of a batch that is inserted twice', async () => {
  const before = await arrive(5)
  const stream = await listen()
  const ids: string[] = []
  ids.push(...(await arrive(10)))
  await eventually(stream, ids)
  // A long call is stored after shorter ones that began later.
  ids.push(...(await arrive(3, { ageMs: 20 * 60_000 })))
  ids.push(...(await arrive(4, { source: 'w2' })))
  await eventually(stream, ids)
  ids.push(...(await arrive(2)), ...(await arrive(2)), ...(await arrive(2, { source: 'w2' })))
  await eventually(stream, ids)
  expect(stream.rows().some((id) => before.includes(id))).toBe(false)
  expect(new Set(stream.rows()).size).toBe(stream.rows().length)
})

test('rows are found by the poll alone, when nobody tells of them', async () => {
  const stream = await listen()
  const at = Date.now() - 10
  made++
  const [call] = madeCalls({ count: 1, endMs: at, spanMs: 1 })
  const quiet = { ...(call as MadeCall), id: idAt(at, made), offset: made * 10 }
  await house.db.insert('requests', linesOf([rowOf(quiet)]), `batch ${String(made)}`)
  await eventually(stream, [quiet.id])
})

test('a filter lets its rows pass alone', async () => {
  const [mine, all] = [await listen(`/api/live?${new URLSearchParams({ filter: 'user_id = grace' }).toString()}`), await listen()]
  const ada = await arrive(3)
  const grace = await arrive(2, { userId: 'grace' })
  await eventually(all, [...ada, ...grace])
  await eventually(mine, grace)
})

test("another tenant's rows are no news", async () => {
  const stream = await listen()
  const calls = madeCalls({ count: 3, endMs: Date.now(), spanMs: 100, source: 'w1' }).map((call, i) => ({
    ...call,
    id: idAt(call.atMs, 60_000 + i),
    offset: 10_000_000 + i,
  }))
  await house.db.insert('requests', linesOf(calls.map((call) => rowOf(call, 'other'))), 'other tenant')
  const ours = await arrive(1)
  await eventually(stream, ours)
})

test('a burst sends the newest 200 and says how many it left out', async () => {
  const stream = await listen()
  const ids = await arrive(450)
  await vi.waitFor(() => expect(stream.rows().length + stream.skipped()).toBe(450), { timeout: 10_000 })
  expect(stream.rows()).toHaveLength(200)
  expect(stream.rows().every((id) => ids.includes(id))).toBe(true)
})

test('a filter that cannot be read is refused, and so is a listener too many', async () => {
  expect(await house.ask('/api/live?filter=modle+%3D+x')).toMatchObject({ status: 400 })
  expect(await house.ask('/api/live?limit=3')).toMatchObject({ status: 400 })
  for (let i = 0; i < 16; i++) await listen(`/api/live?filter=${encodeURIComponent(`status = ${String(i)}`)}`)
  expect(await house.ask('/api/live?filter=status+%3D+99')).toMatchObject({ status: 503, headers: { 'retry-after': '60' } })
})

test('closing the server ends the streams', async () => {
  const other = await openHouse({}, { db: { ...house.db, rows: () => Promise.resolve([]), close: () => Promise.resolve() } })
  const mine = house
  house = other
  const stream = await listen()
  await other.close()
  house = mine
  await vi.waitUntil(() => stream.ended(), { timeout: 5000 })
})
