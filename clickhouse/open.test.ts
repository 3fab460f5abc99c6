import { existsSync, mkdirSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { expect, onTestFinished, test, vi } from 'vitest'
import type { Db } from './db.js'
import { startTestingServer } from './engine/testing-server.js'
import { openServer } from './engine/server.js'
import { openDb } from './open.js'
import { testFolder } from './testing.js'

const serving = async (listener: RequestListener): Promise<string> => {
  const server = createServer(listener)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** A port that nobody listens on. */
const freePort = async (): Promise<number> => {
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise((resolve) => server.close(resolve))
  return port
}

const clickHouse = async (port = 0): Promise<string> => {
  const dir = testFolder(onTestFinished)
  const server = await startTestingServer(dir, { port })
  onTestFinished(() => server.close())
  return server.url
}

const tables = (db: Db): Promise<readonly unknown[]> =>
  db.rows('tables', 'SELECT name FROM system.tables WHERE database = currentDatabase()')

/** What a start is told until it gives up. */
const toldBy = async (clickhouseUrl: string, tries = 1): Promise<readonly string[]> => {
  const told: string[] = []
  const ending = new AbortController()
  const opening = openDb(
    { clickhouseUrl, dataDir: testFolder(onTestFinished) },
    {
      onWait(sentence) {
        told.push(sentence)
        if (told.length === tries) ending.abort()
      },
      signal: ending.signal,
    },
  )
  await expect(opening).rejects.toMatchObject({ name: 'AbortError' })
  return told
}

test('a server that is not there is waited for, ever longer, without its password in the log', async () => {
  const port = await freePort()
  const told = await toldBy(`http://weir:secret@127.0.0.1:${port}/calls`, 3)
  const where = `The ClickHouse server at http://127.0.0.1:${port}/calls (CLICKHOUSE_URL) cannot be used yet.`
  expect(told).toEqual(
    [250, 500, 1000].map(
      (ms) => `${where} The ClickHouse server does not answer: connect ECONNREFUSED 127.0.0.1:${port}. Trying again in ${ms} ms.`,
    ),
  )
})

test('once it is there the start goes on; the embedded store is not touched', async () => {
  const port = await freePort()
  const dataDir = testFolder(onTestFinished)
  const told: string[] = []
  const opening = openDb({ clickhouseUrl: `http://127.0.0.1:${port}`, dataDir }, { onWait: (sentence) => told.push(sentence) })
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(1), { timeout: 20_000 })
  await clickHouse(port)
  const db = await opening
  onTestFinished(() => db.close())
  expect((await tables(db)).length).toBeGreaterThan(10)
  expect(existsSync(join(dataDir, 'chdb'))).toBe(false)
})

test.each([
  ['a wrong password', 403, 516, 'It refuses the user or the password in CLICKHOUSE_URL.'],
  ['a database that is not there', 404, 81, 'It has no database of that name: make it, or name another one in CLICKHOUSE_URL.'],
])('%s is said in words', async (_, status, code, sentence) => {
  const host = await serving((_req, res) => {
    res.writeHead(status, { 'X-ClickHouse-Exception-Code': String(code) })
    res.end(`Code: ${code}. DB::Exception: So it is. (THE_REASON) (version 26.3.62.3 (official build))`)
  })
  expect(await toldBy(`http://weir:wrong@${host}`)).toEqual([
    `The ClickHouse server at http://${host} (CLICKHOUSE_URL) cannot be used yet. ${sentence} Trying again in 250 ms.`,
  ])
})

test.each([
  ['a web page', 200, '<html>It works!</html>'],
  ['another 404', 404, 'not found'],
])('what answers is no ClickHouse (%s): waited for as well', async (_, status, body) => {
  const host = await serving((_req, res) => res.writeHead(status).end(body))
  const [told] = await toldBy(`http://${host}`)
  if (status === 200) expect(told).toContain('what answers there is no ClickHouse (no X-ClickHouse header)')
  expect(told).toMatch(
    /^The ClickHouse server at http:\/\/127\.0\.0\.1:\d+ \(CLICKHOUSE_URL\) cannot be used yet\. .+ Trying again in 250 ms\.$/,
  )
})

test('what only looks like an answer takes no batch', async () => {
  const host = await serving((_req, res) => res.end(''))
  const db = openServer(`http://${host}`)
  onTestFinished(() => db.close())
  for (const work of [db.insert('requests', Buffer.from('{}\n'), 'a'), db.exec('SELECT 1'), db.rows('a', 'SELECT 1')])
    await expect(work).rejects.toThrow('what answers there is no ClickHouse')
})

test('without anybody to wait the first failure is thrown', async () => {
  await expect(openDb({ clickhouseUrl: `http://127.0.0.1:${await freePort()}`, dataDir: '' })).rejects.toMatchObject({
    name: 'DbError',
    message: expect.stringMatching(/^The ClickHouse server does not answer: /) as string,
  })
})

test('a newer schema is refused at once, in a sentence, and nothing is written', async () => {
  const url = await clickHouse()
  const newer = await openDb({ clickhouseUrl: url, dataDir: '' })
  await newer.insert('schema_migrations', Buffer.from('{"id":9000,"name":"tomorrow","checksum":"x"}\n'), 'newer')
  await newer.exec('DROP TABLE ingest_pauses')
  await newer.close()
  const asked: string[] = []
  await expect(openDb({ clickhouseUrl: url, dataDir: '' }, { onWait: (sentence) => asked.push(sentence) })).rejects.toThrow(
    /^The stored calls were last opened by a newer Weir: migration 9000 \(tomorrow\) is unknown to this version/,
  )
  expect(asked).toEqual([])
  const db = openServer(url)
  onTestFinished(() => db.close())
  expect(await db.rows('known', 'SELECT max(id) AS id FROM schema_migrations')).toEqual([{ id: 9000 }])
  expect(await tables(db)).not.toContainEqual({ name: 'ingest_pauses' })
})

test('who only reads waits for the tables, and makes none', async () => {
  const url = await clickHouse()
  const looker = openServer(url)
  onTestFinished(() => looker.close())
  const told: string[] = []
  const opening = openDb({ clickhouseUrl: url, dataDir: '' }, { schema: 'await', onWait: (sentence) => told.push(sentence) })
  await vi.waitFor(() => expect(told.length).toBeGreaterThan(0), { timeout: 20_000 })
  expect(told[0]).toContain('The store lacks migration 1 (calls): `weir ingest` or `weir migrate` brings it up to date.')
  expect(await tables(looker)).toEqual([])
  await (await openDb({ clickhouseUrl: url, dataDir: '' })).close()
  await (await opening).close()
})

test('a folder is the data folder alone: without a server it is opened there', async () => {
  const dataDir = testFolder(onTestFinished)
  mkdirSync(join(dataDir, 'other'))
  const db = await openDb({ clickhouseUrl: null, dataDir }, { onWait: () => expect.unreachable() })
  onTestFinished(() => db.close())
  expect(existsSync(join(dataDir, 'chdb'))).toBe(true)
})
