import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { loadConfig } from '../core/config.js'
import { ConfigError } from '../core/config/parse.js'
import { acquireFolderLock } from '../core/folder-lock.js'
import { redisServer, startTestRedis, type TestRedis } from '../proxy/state/testing-redis.js'
import type { Check } from './doctor/check.js'
import { doctorChecks } from './doctor/checks.js'
import { checkKeys } from './doctor/keys.js'
import { checkNode, checkOpenFiles } from './doctor/node.js'
import { checkPrices } from './doctor/prices.js'

const folders = mkdtempSync(join(tmpdir(), 'weir-doctor-'))
afterAll(() => rmSync(folders, { recursive: true, force: true }))

const today = Date.parse('2026-11-25T12:00:00Z')
const look = async (env: Record<string, string>, now = today): Promise<Record<string, Check>> => {
  const found: Record<string, Check> = {}
  const ports = { WEIR_PROXY_PORT: '0', WEIR_WEB_PORT: '0', WEIR_SQL_PORT: '0' }
  await doctorChecks({
    load: () => loadConfig({ ...ports, WEIR_CONFIG: '/dev/null', ...env }, folders),
    tell: (check) => (found[check.name] = check),
    now: () => now,
  })
  return found
}
const data = (name: string): string => join(folders, name)

/** A receiver that answers every request with one status. */
const receiver = async (status: number): Promise<{ url: string; close: () => void }> => {
  const server = createServer((req, res) => {
    req.resume()
    res.writeHead(status).end()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close() }
}

test('a fresh machine: nothing is made, nothing fails', async () => {
  const found = await look({ WEIR_DATA: data('fresh') })
  expect(Object.values(found).filter(({ state }) => state === 'fail')).toEqual([])
  expect(found['data folder']?.message).toBe(`${data('fresh')} is made at the first start`)
  expect(found.store?.message).toBe('embedded engine; made at the first start')
})

test('a broken configuration ends the look, with its sentence', async () => {
  const found = await look({ WEIR_PROXY_PORT: '70000' })
  expect(found.configuration).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('WEIR_PROXY_PORT: "70000" is not a port'),
  })
  expect(found['data folder']).toBeUndefined()
  expect(() => loadConfig({ WEIR_PROXY_PORT: '70000' }, folders)).toThrow(ConfigError)
})

test('a folder that others can read is told, with the command that mends it', async () => {
  mkdirSync(data('open'))
  chmodSync(data('open'), 0o755)
  expect((await look({ WEIR_DATA: data('open') }))['data folder']).toMatchObject({
    state: 'warn',
    message: expect.stringContaining('mode 755'),
    mend: `chmod 700 ${data('open')}`,
  })
})

test('a part of the path that is a file fails', async () => {
  const found = await look({ WEIR_DATA: '/dev/null/weir' })
  expect(found['data folder']).toMatchObject({ state: 'fail', mend: expect.stringContaining('WEIR_DATA') })
})

test('a running Weir is named, and its proxy asked', async () => {
  const lock = await acquireFolderLock(join(data('owned'), 'journal', 'consumer'))
  try {
    const { url, close } = await receiver(200)
    close()
    const found = await look({ WEIR_DATA: data('owned'), WEIR_PROXY_PORT: url.split(':')[2] ?? '' })
    expect(found['data folder']?.message).toContain(`in use by process ${process.pid}`)
    expect(found.proxy).toMatchObject({ state: 'fail', message: expect.stringContaining('does not answer') })
    expect(found['port proxy']).toMatchObject({ state: 'warn' })
    expect(found.store?.message).toContain(`process ${process.pid}`)
  } finally {
    await lock.release()
  }
})

test('a port in use fails with its number and its variable', async () => {
  const { url, close } = await receiver(200)
  const port = url.split(':')[2] ?? ''
  const found = await look({ WEIR_DATA: data('ports'), WEIR_WEB_PORT: port })
  close()
  expect(found['port web']).toMatchObject({
    state: 'fail',
    message: expect.stringContaining(`Port ${port}`),
    mend: 'Set WEIR_WEB_PORT.',
  })
})

test.each([
  [200, 'ok', 'takes traces'],
  [401, 'fail', 'refuses the credential'],
  [404, 'fail', 'takes no traces'],
  [500, 'warn', 'answers 500'],
])('a destination that answers %i is %s', async (status, state, text) => {
  const { url, close } = await receiver(status)
  const found = await look({ WEIR_DATA: data('export'), OTEL_EXPORTER_OTLP_ENDPOINT: url })
  close()
  expect(found['export otel']).toMatchObject({ state, message: expect.stringContaining(text) })
})

test('a destination that is not there fails; its message holds no credential', async () => {
  const { url, close } = await receiver(200)
  close()
  const found = await look({ WEIR_DATA: data('export'), OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${url}/v1/traces?token=s3cret` })
  expect(found['export otel']).toMatchObject({ state: 'fail', message: `${url}/v1/traces cannot be reached (ECONNREFUSED)` })
})

test('clock, node, open files and prices', async () => {
  expect((await look({ WEIR_DATA: data('fresh') }, Date.parse('2024-01-01'))).clock?.state).toBe('fail')
  expect([
    checkNode('18.20.0').state,
    checkNode('20.18.9').state,
    checkNode('20.19.0').state,
    checkNode('24.11.0').state,
  ]).toEqual(['fail', 'fail', 'warn', 'ok'])
  expect([checkOpenFiles(1024).state, checkOpenFiles(65_536).message]).toEqual(['warn', 'limit 65536: about 32268 calls at once'])
  expect(checkPrices(today, '0.1.8+2026-11-22+9f31c2aa').state).toBe('ok')
  expect(checkPrices(today, '0.1.8+2026-08-01+9f31c2aa')).toMatchObject({
    state: 'warn',
    message: 'from 2026-08-01, 116 days old',
  })
})

test('keys that hold no longer, or not for two weeks more, are named; no digest is', () => {
  const key = (name: string, expires: string | null, scopes: readonly ('proxy' | 'sql')[] = ['proxy']) => ({
    name,
    sha256: 'd'.repeat(64),
    tenant: 'default',
    scopes,
    allow: {},
    expires,
  })
  const look = (
    keys: readonly ReturnType<typeof key>[],
    auth: 'open' | 'required' = 'required',
    adminSecret: string | null = null,
  ) => checkKeys({ auth, keys, adminSecret }, today)
  expect(look([], 'open')).toMatchObject({ state: 'ok', message: 'auth: open, no keys' })
  expect(look([key('app', null)])).toMatchObject({ state: 'ok', message: 'auth: required, 1 key' })
  // 14 days from noon of 25 November.
  expect(look([key('app', null), key('later', '2026-12-10')])).toMatchObject({ state: 'ok', message: 'auth: required, 2 keys' })
  const told = look([
    key('app', null),
    key('old', '2026-11-25'),
    key('now', '2026-11-25T12:00:00Z'),
    key('tonight', '2026-11-25T23:59:59Z'),
    key('next', '2026-11-27'),
    key('soon', '2026-12-09'),
    key('far', '2027-01-01'),
  ])
  expect(told).toEqual({
    name: 'keys',
    state: 'warn',
    message:
      'old expired on 2026-11-25; now expired on 2026-11-25; tonight expires on 2026-11-25, within a day; ' +
      'next expires on 2026-11-27, in a day; soon expires on 2026-12-09, in 13 days',
    mend: '`weir key new NAME` makes the next one; take the lines of old ones out of weir.yaml.',
  })
  for (const keys of [[], [key('sql', null, ['sql'])], [key('old', '2026-11-01')]])
    expect(look(keys)).toMatchObject({ state: 'warn', message: expect.stringContaining('no key is for calls') })
  expect(look([], 'required', 'a'.repeat(32)).state).toBe('ok')
})

test('without REDIS_URL nothing is said of Redis; one that is not there fails, and its message holds no password', async () => {
  expect((await look({ WEIR_DATA: data('fresh') })).redis).toBeUndefined()
  expect((await look({ WEIR_DATA: data('fresh'), REDIS_URL: 'redis://ada:s3cret@127.0.0.1:1/0' })).redis).toEqual({
    name: 'redis',
    state: 'fail',
    message: 'redis://127.0.0.1:1 cannot be reached (ECONNREFUSED)',
    mend: expect.stringContaining('REDIS_URL'),
  })
})

test('what speaks no Redis is told as one that cannot be reached', async () => {
  const { url, close } = await receiver(200)
  onTestFinished(close)
  expect((await look({ WEIR_DATA: data('fresh'), REDIS_URL: url.replace('http', 'redis') })).redis).toMatchObject({
    state: 'fail',
    message: expect.stringContaining('cannot be reached'),
  })
})

describe.skipIf(redisServer === null)('with Redis', () => {
  let redis: TestRedis
  let admin: Redis
  beforeAll(async () => {
    redis = await startTestRedis(redisServer ?? '')
    admin = new Redis(redis.url)
  })
  afterAll(async () => {
    admin?.disconnect()
    await redis?.close()
  })
  const ask = async (url = redis.url): Promise<Check | undefined> =>
    (await look({ WEIR_DATA: data('fresh'), REDIS_URL: url })).redis
  const set = (maxmemory: string, policy: string): Promise<unknown> =>
    admin.config('SET', 'maxmemory', maxmemory, 'maxmemory-policy', policy)

  test('its version, how long it takes, what it may hold and what it does then', async () => {
    await set('64mb', 'allkeys-lru')
    expect(await ask()).toMatchObject({
      state: 'ok',
      message: expect.stringMatching(
        /^(Redis|Valkey) \d+\.\d+\.\d+ at redis:\/\/127\.0\.0\.1:\d+, \d+\.\d ms a question, up to 64 MiB, allkeys-lru$/,
      ),
    })
    await set('64mb', 'noeviction')
    expect(await ask()).toMatchObject({
      state: 'warn',
      message: expect.stringContaining('full at 64 MiB'),
      mend: expect.stringContaining('maxmemory-policy'),
    })
    await set('0', 'noeviction')
    expect(await ask()).toMatchObject({ state: 'warn', message: expect.stringContaining('it has no maxmemory') })
    // It was only looked at.
    expect(await admin.dbsize()).toBe(0)
  })

  test('a credential it refuses, a user without scripts, a replica', async () => {
    const at = redis.url.replace('redis://', '')
    expect(await ask(`redis://nobody:s3cret@${at}`)).toMatchObject({
      state: 'fail',
      message: `redis://${at} refuses the credential (WRONGPASS)`,
    })
    await admin.acl('SETUSER', 'reader', 'on', '>pw', '~*', '+info', '+ping', '+client', '-eval')
    expect(await ask(`redis://reader:pw@${at}`)).toMatchObject({
      state: 'fail',
      message: expect.stringContaining('runs no Lua scripts'),
    })
    const other = await startTestRedis(redisServer ?? '')
    onTestFinished(() => other.close())
    const of = new Redis(other.url)
    onTestFinished(() => of.disconnect())
    await of.replicaof('127.0.0.1', redis.port)
    expect(await ask(other.url)).toMatchObject({ state: 'fail', message: expect.stringContaining('is a replica') })
  })

  test('one that stands still does not hold the doctor up for ever', async () => {
    redis.freeze()
    try {
      expect(await ask()).toMatchObject({ state: 'fail', message: expect.stringContaining('cannot be reached') })
    } finally {
      redis.thaw()
    }
  })
})
