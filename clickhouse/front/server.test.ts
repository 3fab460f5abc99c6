import { ClickHouseLogLevel, createClient } from '@clickhouse/client'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Db } from '../db.js'
import { openDb } from '../open.js'
import { lines } from '../testing.js'
import { accessOf } from '../../core/access.js'
import type { Config } from '../../core/config.js'
import { keyDigest } from '../../core/weir-keys.js'
import { createSqlFront, type SqlFrontOptions } from './server.js'

const folder = mkdtempSync(join(tmpdir(), 'weir-front-'))
let db: Db
beforeAll(async () => {
  db = await openDb({ clickhouseUrl: null, dataDir: folder })
  await db.insert(
    'requests',
    lines({
      tenant_id: 'default',
      ts: '2026-11-25 10:00:00.123',
      request_id: '01890a5d-ac96-774b-bcce-b302099a8057',
      retention_days: 400,
      source_offset: '18446744073709551615',
      user_id: 'ada',
      properties: { doc: 'd77' },
      tags: ['a', 'b'],
      cost_total: '123456.123456789012',
    }),
    'front',
  )
})
afterAll(async () => {
  await db.close()
  rmSync(folder, { recursive: true, force: true })
})

interface Opened extends Partial<Pick<SqlFrontOptions, 'allowedHosts'>> {
  readonly adminSecret?: string | null
  readonly auth?: 'open' | 'required'
  readonly keys?: Config['keys']
}

const started = async (
  { allowedHosts = [], adminSecret = null, auth = 'open', keys = [] }: Opened = {},
  host = '127.0.0.1',
): Promise<string> => {
  const access = accessOf({ host, auth, keys, adminSecret }, Date.now)
  const server = createSqlFront({ db, access: () => access, allowedHosts })
  await new Promise<void>((resolve) => server.listen(0, host, resolve))
  onTestFinished(async () => {
    server.closeAllConnections()
    await new Promise((resolve) => server.close(resolve))
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

interface Sent {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}

/** Not fetch: it refuses to send a Host header. */
const send = (url: string, { method = 'GET', headers = {}, body }: Sent = {}) =>
  new Promise<{ status: number; headers: Record<string, unknown>; text: string }>((resolve, reject) => {
    const req = request(url, { method, headers }, (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => (text += chunk))
      res.on('end', () => resolve({ status: res.statusCode ?? 0, headers: res.headers, text }))
    })
    req.on('error', reject)
    req.end(body)
  })

const q = (sql: string): string => encodeURIComponent(sql)

describe('the ClickHouse HTTP interface', () => {
  test('answers a health check and a query in the URL', async () => {
    const url = await started()
    expect(await send(`${url}/ping`)).toMatchObject({ status: 200, text: 'Ok.\n' })
    expect(await send(url)).toMatchObject({ status: 200, text: 'Ok.\n' })
    const answer = await send(`${url}/?query=${q('SELECT 1 AS a, 2 AS b')}&query_id=mine`)
    expect(answer).toMatchObject({ status: 200, text: '1\t2\n' })
    expect(answer.headers).toMatchObject({
      'content-type': 'text/tab-separated-values; charset=UTF-8',
      'x-clickhouse-format': 'TabSeparated',
      'x-clickhouse-query-id': 'mine',
      'x-clickhouse-timezone': 'UTC',
      'x-clickhouse-server-display-name': 'weir',
    })
    expect(JSON.parse(String(answer.headers['x-clickhouse-summary']))).toMatchObject({
      result_rows: '1',
      read_rows: '1',
      result_bytes: '4',
    })
  })

  test('takes the query from the body, or begun in the URL and ended in the body, plain or compressed', async () => {
    const url = await started()
    const curl = { 'content-type': 'application/x-www-form-urlencoded' }
    expect((await send(url, { method: 'POST', body: 'SELECT 3', headers: curl })).text).toBe('3\n')
    expect((await send(`${url}/?query=${q('SELECT 4 AS four')}`, { method: 'POST', body: 'FORMAT JSONEachRow' })).text).toBe(
      '{"four":4}\n',
    )
    expect((await send(url, { method: 'POST', body: gzipSync('SELECT 5'), headers: { 'content-encoding': 'gzip' } })).text).toBe(
      '5\n',
    )
    expect((await send(url, { method: 'POST', body: 'SELECT 6', headers: { 'content-encoding': 'br' } })).status).toBe(400)
    expect((await send(url, { method: 'POST', body: 'not gzip', headers: { 'content-encoding': 'gzip' } })).status).toBe(400)
    expect((await send(url, { method: 'POST', body: '' })).status).toBe(400)
    expect((await send(url, { method: 'POST', body: `SELECT 1 -- ${'x'.repeat(1024 ** 2)}` })).status).toBe(400)
  })

  test('a bomb in the body is cut at the limit', async () => {
    const url = await started()
    const bomb = gzipSync(Buffer.alloc(64 * 1024 ** 2, ' '))
    expect(await send(url, { method: 'POST', body: bomb, headers: { 'content-encoding': 'gzip' } })).toMatchObject({
      status: 400,
      text: 'Code: 62. DB::Exception: The query is longer than 1 MiB.\n',
    })
  })

  test('the format is the one of the query, else of the URL, else of the header', async () => {
    const url = await started()
    const header = { 'x-clickhouse-format': 'JSONCompactEachRow' }
    const json = await send(`${url}/?default_format=JSONEachRow&query=${q('SELECT 1 AS a')}`, { headers: header })
    expect(json).toMatchObject({ text: '{"a":1}\n', headers: { 'content-type': 'application/x-ndjson; charset=UTF-8' } })
    expect((await send(`${url}/?query=${q('SELECT 1 AS a')}`, { headers: header })).text).toBe('[1]\n')
    const csv = await send(`${url}/?default_format=JSON&query=${q('SELECT 1 AS a FORMAT CSVWithNames')}`)
    expect(csv).toMatchObject({
      text: '"a"\n1\n',
      headers: { 'x-clickhouse-format': 'CSVWithNames', 'content-type': 'text/csv; charset=UTF-8; header=present' },
    })
  })

  test('parameters are bound, not pasted', async () => {
    const url = await started()
    const sql = q('SELECT {s:String} AS s, {a:Array(String)} AS a, {n:Nullable(UInt8)} AS n FORMAT JSONEachRow')
    const values = `param_s=${q("it's \\\\ \\t {x:String}")}&param_a=${q("['a','b\\'c']")}&param_n=${q('\\N')}`
    expect(JSON.parse((await send(`${url}/?query=${sql}&${values}`)).text)).toEqual({
      s: "it's \\ \t {x:String}",
      a: ['a', "b'c"],
      n: null,
    })
    expect(await send(`${url}/?query=${q('SELECT {s:String}')}`)).toMatchObject({
      status: 400,
      headers: { 'x-clickhouse-exception-code': '456' },
    })
    const name = await send(`${url}/?query=${q('SELECT 1')}&param_${q("x='1', readonly=0, param_y")}=1`)
    expect(name).toMatchObject({ status: 400, headers: { 'x-clickhouse-exception-code': '36' } })
  })

  test('errors carry code, words and status', async () => {
    const url = await started()
    const unknown = await send(`${url}/?query=${q('SELECT * FROM nothing_here')}`)
    expect(unknown).toMatchObject({ status: 404, headers: { 'x-clickhouse-exception-code': '60' } })
    expect(unknown.text).toMatch(/^Code: 60\. DB::Exception: .*nothing_here.*\(UNKNOWN_TABLE\)/)
    expect(await send(`${url}/?query=${q('SELECT FROM WHERE')}`)).toMatchObject({
      status: 400,
      headers: { 'x-clickhouse-exception-code': '62' },
    })
    expect(await send(`${url}/elsewhere`)).toMatchObject({ status: 404 })
    expect(await send(url, { method: 'DELETE' })).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD, POST' } })
    expect(await send(`${url}/?database=secret&query=${q('SELECT 1')}`)).toMatchObject({
      status: 404,
      headers: { 'x-clickhouse-exception-code': '81' },
    })
  })

  test('is read-only, whatever is asked', async () => {
    const url = await started()
    for (const sql of [
      'DROP TABLE requests',
      'SELECT 1; DROP TABLE requests',
      'SELECT * FROM (SELECT 1 SETTINGS readonly = 0)',
      "SELECT file('/etc/passwd')",
    ]) {
      const answer = await send(`${url}/?readonly=0&allow_ddl=1&query=${q(sql)}`)
      expect(answer, sql).toMatchObject({ status: 403, headers: { 'x-clickhouse-exception-code': '164' } })
      expect(answer.text).toMatch(/^Code: 164\. DB::Exception: .*\(READONLY\)\n$/)
    }
    expect(await db.rows('still-there', 'SELECT count() AS n FROM requests')).toEqual([{ n: '1' }])
  })

  test('sessions and settings are left aside, what it cannot do is named', async () => {
    const url = await started()
    const aside =
      'session_id=x&session_timeout=60&max_result_rows=1000000&max_execution_time=0&database=default&user=default&compress=0'
    expect((await send(`${url}/?${aside}&query=${q('SELECT 1')}`)).text).toBe('1\n')
    expect(await send(`${url}/?max_result_rows=1000000&query=${q('SELECT number FROM numbers(10001)')}`)).toMatchObject({
      headers: { 'x-clickhouse-exception-code': '396' },
    })
    const compressed = await send(`${url}/?compress=1&query=${q('SELECT 1')}`)
    expect(compressed).toMatchObject({ status: 400, text: expect.stringContaining('compress=1') })
    const form = await send(url, {
      method: 'POST',
      body: '--x--',
      headers: { 'content-type': 'multipart/form-data; boundary=x' },
    })
    expect(form).toMatchObject({ status: 400, text: expect.stringContaining('multipart/form-data') })
  })

  test('an answer is compressed when that is asked for', async () => {
    const url = await started()
    const asked = await fetch(`${url}/?enable_http_compression=1&query=${q('SELECT 7')}`, {
      headers: { 'accept-encoding': 'gzip' },
    })
    expect(asked.headers.get('content-encoding')).toBe('gzip')
    expect(await asked.text()).toBe('7\n')
    const notAsked = await fetch(`${url}/?query=${q('SELECT 7')}`, { headers: { 'accept-encoding': 'gzip' } })
    expect(notAsked.headers.get('content-encoding')).toBeNull()
  })

  test('a client of the native protocol gets its frames', async () => {
    const url = await started()
    const answer = await fetch(`${url}/?client_protocol_version=54460&default_format=Native&query=${q('SELECT toUInt8(7) AS a')}`)
    expect([...new Uint8Array(await answer.arrayBuffer())]).toEqual([
      1,
      0,
      2,
      255,
      255,
      255,
      255,
      0,
      1,
      1,
      1,
      97,
      5,
      ...Buffer.from('UInt8'),
      0,
      7,
    ])
  })
})

describe('who may ask', () => {
  test('on loopback: anyone by a known name, nobody by another, no page of another origin', async () => {
    const url = await started({ adminSecret: 'x'.repeat(32), allowedHosts: ['Weir.Internal'] })
    const port = new URL(url).port
    const as = async (headers: Record<string, string>, path = `/?query=${q('SELECT 1')}`) =>
      (await send(url + path, { headers })).status
    for (const host of [
      'localhost',
      `localhost:${port}`,
      `127.0.0.1:${port}`,
      `[::1]:${port}`,
      'LOCALHOST',
      `weir.internal:${port}`,
    ])
      expect(await as({ host }), host).toBe(200)
    for (const host of [
      'evil.example',
      'localhost.evil.example',
      'evil.example:8123',
      '169.254.169.254',
      'localhost@evil.example',
      '[::2]',
    ])
      expect(await as({ host }), host).toBe(403)
    expect(await as({ host: 'evil.example' }, '/ping')).toBe(403)
    expect(await as({ origin: 'https://evil.example' })).toBe(403)
    expect(await as({ origin: 'null' })).toBe(403)
    expect(await as({ origin: url })).toBe(200)
    expect(await as({ 'sec-fetch-site': 'cross-site' })).toBe(403)
  })

  test('off loopback: the admin secret, in any way a client gives a password', async () => {
    const secret = 's'.repeat(32)
    const url = await started({ adminSecret: secret }, '0.0.0.0')
    const status = async (headers: Record<string, string>, more = '') =>
      (await send(`${url}/?query=${q('SELECT 1')}${more}`, { headers })).status
    const basic = (user: string, password: string) => ({
      authorization: `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
    })
    expect(await status({ 'x-clickhouse-user': 'any', 'x-clickhouse-key': secret })).toBe(200)
    expect(await status(basic('default', secret))).toBe(200)
    expect(await status({ authorization: `Bearer ${secret}` })).toBe(200)
    expect(await status({}, `&user=x&password=${secret}`)).toBe(200)
    expect(await status({}, '&password=wrong')).toBe(403)
    expect(await status(basic('default', 'wrong'))).toBe(403)
    expect(await status(basic(secret, ''))).toBe(401)
    const none = await send(`${url}/?query=${q('SELECT 1')}`)
    expect(none).toMatchObject({
      status: 401,
      headers: { 'www-authenticate': 'Basic realm="Weir SQL"', 'x-clickhouse-exception-code': '194' },
    })
    expect(none.text).not.toContain(secret)
    expect((await send(`${url}/ping`)).status).toBe(200)
  })

  const keyOf = (
    name: string,
    scopes: Config['keys'][number]['scopes'],
    expires: string | null = null,
  ): Config['keys'][number] => ({
    name,
    sha256: keyDigest(`key-${name}`),
    tenant: 'acme',
    scopes,
    allow: {},
    expires,
  })
  const keys = [
    keyOf('sql', ['sql']),
    keyOf('admin', ['admin']),
    keyOf('figures', ['read-metrics']),
    keyOf('old', ['sql', 'admin'], '2020-01-01'),
  ]

  test.each([
    { where: 'off loopback', host: '0.0.0.0', let: 'admin', lacks: { sql: 'admin', figures: 'admin' } },
    { where: 'on loopback, auth: required', host: '127.0.0.1', let: 'sql', lacks: { admin: 'sql', figures: 'sql' } },
  ])('$where: a Weir key with the scope $let, and no other', async ({ host, let: name, lacks }) => {
    const url = await started({ auth: 'required', keys }, host)
    const ask = (key: string) => send(`${url}/?query=${q('SELECT 1')}`, { headers: { 'x-clickhouse-key': `key-${key}` } })
    expect((await ask(name)).status).toBe(200)
    for (const [key, scope] of Object.entries(lacks)) {
      const { status, text } = await ask(key)
      expect([status, text]).toEqual([
        403,
        `Code: 516. DB::Exception: Authentication failed: The Weir key ${key} lacks the scope ${scope}.\n`,
      ])
    }
    expect((await ask('old')).text).toContain('The Weir key old has expired.')
    expect((await ask('nobody')).status).toBe(403)
    expect((await send(`${url}/?query=${q('SELECT 1')}`)).status).toBe(401)
    expect((await send(`${url}/ping`)).status).toBe(200)
  })

  test('off loopback without a secret: nobody', async () => {
    const url = await started({ adminSecret: null }, '0.0.0.0')
    expect((await send(`${url}/?query=${q('SELECT 1')}`, { headers: { 'x-clickhouse-key': 'anything' } })).status).toBe(403)
    expect((await send(`${url}/?query=${q('SELECT 1')}`)).status).toBe(401)
  })
})

test('@clickhouse/client reads parameters, decimals, UUIDs, maps, times and arrays unchanged', async () => {
  const client = createClient({
    url: await started(),
    username: 'default',
    password: '',
    database: 'default',
    compression: { response: true },
    log: { level: ClickHouseLogLevel.OFF },
  })
  onTestFinished(() => client.close())
  expect(await client.ping()).toMatchObject({ success: true })
  const rows = await client.query({
    query: `SELECT request_id, ts, source_offset, properties, tags, cost_total, cost_input, {tiny:Decimal(38, 12)} AS tiny, {words:Array(String)} AS words,
      {at:DateTime64(3)} AS at, {id:UUID} AS id, {labels:Map(String, String)} AS labels, {none:Nullable(String)} AS none
      FROM requests WHERE user_id = {user:String}`,
    format: 'JSONEachRow',
    query_params: {
      user: 'ada',
      tiny: '0.000000000001',
      words: ["it's", 'b\\c', 'd\te'],
      at: new Date('2026-11-25T10:00:00.123Z'),
      id: '01890a5d-ac96-774b-bcce-b302099a8057',
      labels: { 'a b': "c'd" },
      none: null,
    },
  })
  expect(await rows.json()).toEqual([
    {
      request_id: '01890a5d-ac96-774b-bcce-b302099a8057',
      ts: '2026-11-25 10:00:00.123',
      source_offset: '18446744073709551615',
      properties: { doc: 'd77' },
      tags: ['a', 'b'],
      cost_total: '123456.123456789012',
      cost_input: null,
      tiny: '0.000000000001',
      words: ["it's", 'b\\c', 'd\te'],
      at: '2026-11-25 10:00:00.123',
      id: '01890a5d-ac96-774b-bcce-b302099a8057',
      labels: { 'a b': "c'd" },
      none: null,
    },
  ])
  const streamed: unknown[] = []
  for await (const chunk of (
    await client.query({ query: 'SELECT number FROM numbers(1000)', format: 'JSONCompactEachRow' })
  ).stream())
    streamed.push(...chunk.map((row) => row.json()))
  expect(streamed.length).toBe(1000)
  await expect(client.query({ query: 'SELECT * FROM nothing_here' })).rejects.toMatchObject({ code: '60', type: 'UNKNOWN_TABLE' })
  await expect(client.command({ query: 'DROP TABLE requests' })).rejects.toMatchObject({ code: '164' })
})
