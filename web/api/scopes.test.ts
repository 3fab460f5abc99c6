import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Db } from '../../clickhouse/db.js'
import { openDb } from '../../clickhouse/open.js'
import { scopes, type Scope } from '../../core/config/weir-key.js'
import { routes } from './server.js'
import { type HeldKey, withKeys } from './testing/keys.js'
import { openHouse, type OpenHouse } from './testing/open-house.js'

// security.md §2, T15: every route, every scope, and those who hold none.

const id = '01976f0a-5b1e-7a3c-8f00-0123456789ab'

/** What a key must hold, and what a call that passes is answered: there is no row, no job, no view, no demo. */
const table: Record<string, { readonly needs: readonly Scope[] | 'sql here'; readonly passes: number; readonly body?: object }> =
  {
    'GET /api/overview': { needs: ['read-metrics'], passes: 200 },
    'GET /api/series': { needs: ['read-metrics'], passes: 200 },
    'GET /api/top': { needs: ['read-metrics'], passes: 200 },
    'GET /api/errors': { needs: ['read-metrics'], passes: 200 },
    'GET /api/requests': { needs: ['read-metrics'], passes: 200 },
    'GET /api/requests/count': { needs: ['read-metrics'], passes: 200 },
    'GET /api/requests/:id': { needs: ['read-metrics'], passes: 404 },
    'GET /api/requests/:id/bodies': { needs: ['read-metrics', 'read-bodies'], passes: 404 },
    'GET /api/fields': { needs: ['read-metrics'], passes: 200 },
    'GET /api/health': { needs: ['read-metrics'], passes: 200 },
    'GET /api/exports': { needs: ['admin'], passes: 200 },
    'POST /api/cache/purge': { needs: ['admin'], passes: 404, body: {} },
    'POST /api/demo-call': { needs: ['admin'], passes: 404, body: {} },
    'GET /api/views': { needs: ['read-metrics'], passes: 200 },
    'POST /api/views': { needs: ['admin'], passes: 400, body: {} },
    'DELETE /api/views/:id': { needs: ['admin'], passes: 404 },
    'POST /api/sql': { needs: 'sql here', passes: 200, body: { sql: 'SELECT 1 AS one' } },
    'GET /api/unpriced': { needs: ['read-metrics'], passes: 200 },
    'POST /api/reprice': { needs: ['admin'], passes: 404, body: { from: '2026-11-01T00:00:00Z', to: '2026-11-02T00:00:00Z' } },
    'GET /api/reprice/:id': { needs: ['admin'], passes: 404 },
    'DELETE /api/reprice/:id': { needs: ['admin'], passes: 404 },
    'POST /api/backup': { needs: ['admin'], passes: 404, body: {} },
    'GET /api/backup/:id': { needs: ['admin'], passes: 404 },
    'GET /api/live': { needs: ['read-metrics'], passes: 200 },
    'GET /api/openapi.json': { needs: [], passes: 200 },
    'GET /api/nothing-here': { needs: [], passes: 404 },
    'GET /metrics': { needs: ['read-metrics'], passes: 200 },
  }
const beside = ['GET /api/live', 'GET /api/openapi.json', 'GET /api/nothing-here', 'GET /metrics']

const adminSecret = 'an-admin-secret-of-more-than-32-characters'
const keyOf = (name: string, held: readonly Scope[], expires?: string): HeldKey => ({
  key: `sk-weir-${name}-0123456789`,
  name,
  scopes: held,
  ...(expires === undefined ? {} : { expires }),
})
const keys: readonly HeldKey[] = [
  ...scopes.map((scope) => keyOf(`only-${scope}`, [scope])),
  keyOf('reader', ['read-metrics', 'read-bodies']),
  keyOf('everything', scopes),
]
const expired = keyOf('expired', scopes, '2020-01-01')
/** What is no key that holds: 401 everywhere. */
const nobodies: readonly (readonly [name: string, authorization: string | undefined])[] = [
  ['no key', undefined],
  ['a wrong key', 'Bearer sk-weir-wrong'],
  ['an expired key', `Bearer ${expired.key}`],
  ['no scheme', `${keyOf('everything', []).key}`],
  ['another scheme', `Basic ${Buffer.from(`x:${keyOf('everything', []).key}`).toString('base64')}`],
  ['an empty one', 'Bearer '],
  ['the digest in the place of the key', `Bearer ${'0'.repeat(64)}`],
]

let dir: string
let db: Db
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weir-scopes-'))
  db = await openDb({ clickhouseUrl: null, dataDir: dir })
})
afterAll(async () => {
  await db.close()
  await rm(dir, { recursive: true, force: true })
})

interface Answered {
  readonly status: number
  readonly problem: { readonly code?: string; readonly detail?: string }
}

/** Asks; of a stream that goes on, only the head is waited for. */
const ask = ({ port }: OpenHouse, call: string, authorization: string | undefined): Promise<Answered> =>
  new Promise((resolve, reject) => {
    const [method = '', path = ''] = call.split(' ')
    const { body } = table[call] ?? {}
    const headers = {
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...(authorization === undefined ? {} : { authorization }),
    }
    const req = request({ host: '127.0.0.1', port, method, path: path.replace(':id', id), headers, agent: false }, (res) => {
      let text = ''
      const done = (): void => {
        const isProblem = String(res.headers['content-type']).includes('problem+json')
        resolve({ status: res.statusCode ?? 0, problem: isProblem ? (JSON.parse(text) as Answered['problem']) : {} })
      }
      if (String(res.headers['content-type']).startsWith('text/event-stream')) {
        done()
        req.destroy()
      } else
        res
          .setEncoding('utf8')
          .on('data', (chunk: string) => (text += chunk))
          .on('end', done)
    })
    req.on('error', reject).end(body === undefined ? undefined : JSON.stringify(body))
  })

test('every route of the API is in the table, and says what it is in the table', () => {
  const registered = routes.map(({ method, path }) => `${method.toUpperCase()} ${path}`)
  expect(Object.keys(table).sort()).toEqual([...registered, ...beside].sort())
  for (const { method, path, needs } of routes)
    expect([path, needs]).toEqual([path, table[`${method.toUpperCase()} ${path}`]?.needs])
})

describe.each([
  { where: 'off loopback', env: { WEIR_HOST: '0.0.0.0', WEIR_ADMIN_SECRET: adminSecret }, sqlNeeds: 'admin' },
  { where: 'on loopback, auth: required', env: {}, sqlNeeds: 'sql' },
] as const)('$where', ({ env, sqlNeeds }) => {
  let house: OpenHouse
  beforeAll(async () => {
    house = await openHouse(
      { ...env, ...(await withKeys(dir, 'required', [...keys, expired])) },
      { db: { ...db, close: () => Promise.resolve() } },
    )
  })
  afterAll(() => house.close())

  test.each(Object.keys(table))('%s', async (call) => {
    const { needs: told, passes } = table[call] ?? { needs: [], passes: 0 }
    const needs: readonly Scope[] = told === 'sql here' ? [sqlNeeds] : told
    for (const [name, authorization] of nobodies) {
      const { status, problem } = await ask(house, call, authorization)
      expect([name, status, problem.code]).toEqual([name, 401, authorization === undefined ? 'not_signed_in' : 'unknown_key'])
    }
    for (const { key, name, scopes: held } of keys) {
      const { status, problem } = await ask(house, call, `Bearer ${key}`)
      const missing = needs.find((scope) => !held.includes(scope))
      if (missing === undefined) expect([name, status]).toEqual([name, passes])
      else
        expect({ name, status, ...problem }).toMatchObject({
          name,
          status: 403,
          code: 'missing_scope',
          detail: `The Weir key ${name} lacks the scope ${missing}.`,
        })
    }
    const bySecret = await ask(house, call, `Bearer ${adminSecret}`)
    expect(bySecret.status).toBe('WEIR_ADMIN_SECRET' in env ? passes : 401)
  })

  test('health probes and the state of the login ask for nothing', async () => {
    for (const path of ['/healthz', '/readyz', '/api/session']) expect((await house.ask(path)).status).toBe(200)
    expect((await house.ask('/api/session')).text).toBe('{"required":true,"signedIn":false}')
  })
})

describe('on loopback, auth: open', () => {
  let house: OpenHouse
  beforeAll(async () => {
    house = await openHouse(await withKeys(dir, 'open', [...keys, expired]), { db: { ...db, close: () => Promise.resolve() } })
  })
  afterAll(() => house.close())

  test.each(Object.keys(table))('%s: whoever asks, with whatever', async (call) => {
    for (const authorization of [...nobodies.map(([, given]) => given), `Bearer ${keyOf('only-proxy', []).key}`])
      expect((await ask(house, call, authorization)).status).toBe(table[call]?.passes)
  })
})
