import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Counter, Registry } from 'prom-client'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import type { Db } from '../../clickhouse/db.js'
import { DbError } from '../../clickhouse/db.js'
import { exportsSchema, healthSchema, type Destination, type Health, type Problem, viewSchema, type Views } from './contract.js'
import { routes } from './server.js'
import { type Answer, type OpenHouse, openHouse } from './testing/open-house.js'

const problem = ({ text }: Answer): Problem => JSON.parse(text) as Problem
const asJson = { 'content-type': 'application/json' }
const secret = 'a-secret-of-at-least-32-characters-for-tests'

/** A store that answers each question alike: these tests are about the wall in front of it. */
const fakeDb = (answer: () => Promise<unknown[]>): Db => ({
  rows: answer as Db['rows'],
  raw: () => Promise.reject(new Error('not asked')),
  exec: () => Promise.resolve(),
  insert: () => Promise.resolve(),
  close: () => Promise.resolve(),
})
const alive = fakeDb(() => Promise.resolve([{ version: '26.7.2.1' }]))

describe('on loopback', () => {
  let house: OpenHouse
  let uiDir: string
  const script = `console.log(${JSON.stringify('x'.repeat(4000))})`
  beforeAll(async () => {
    uiDir = await mkdtemp(join(tmpdir(), 'weir-ui-'))
    await mkdir(join(uiDir, 'assets'))
    await writeFile(join(uiDir, 'index.html'), '<!doctype html><title>Weir</title>')
    await writeFile(join(uiDir, 'assets', 'main-abc123.js'), script)
    await writeFile(join(uiDir, 'favicon.svg'), '<svg xmlns="http://www.w3.org/2000/svg"/>')
    const registry = new Registry()
    new Counter({ name: 'weir_test_total', help: 'Of this test.', registers: [registry] }).inc(3)
    const destination: Destination = {
      name: 'jaeger',
      profile: 'jaeger',
      endpoint: 'http://localhost:4318/v1/traces',
      state: 'failing',
      sent: 3,
      rejected: 1,
      dropped: 0,
      dead: 0,
      waitingBytes: 17,
      lagSeconds: 4.5,
      lastSentAt: null,
      lastError: { at: '2026-11-25T10:00:00.000Z', message: 'refused' },
    }
    house = await openHouse(
      { WEIR_PROXY_PORT: '9000', DATABASE_URL: '' },
      {
        db: alive,
        uiDir,
        metrics: [registry],
        destinations: () => [destination],
        version: '0.1.0',
        demoCall: () => Promise.resolve({ id: '01976f0a-5b1e-7a3c-8f00-0123456789ab' }),
      },
    )
  })
  afterAll(async () => {
    await house.close()
    await rm(uiDir, { recursive: true, force: true })
  })

  test('every answer carries the headers of security.md §6, and no CORS', async () => {
    for (const path of ['/', '/api/exports', '/api/nothing', '/assets/main-abc123.js', '/healthz', '/nothing.txt']) {
      const { headers } = await house.ask(path, { headers: { origin: 'https://evil.example' } })
      expect(headers['content-security-policy']).toBe(
        "default-src 'self';script-src 'self';style-src 'self';style-src-attr 'unsafe-inline';img-src 'self' data:;object-src 'none';base-uri 'none';frame-ancestors 'none'",
      )
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['referrer-policy']).toBe('no-referrer')
      expect(headers['x-powered-by']).toBeUndefined()
      expect(headers['access-control-allow-origin']).toBeUndefined()
    }
  })

  test('only names of this machine are served, on every path', async () => {
    for (const host of ['localhost', 'localhost:8788', '127.0.0.1:1', '[::1]:8788', 'LOCALHOST', 'localhost.'])
      expect((await house.ask('/api/exports', { headers: { host } })).status).toBe(200)
    for (const host of [
      'evil.example',
      '127.0.0.1.evil.example',
      'localhost@evil.example',
      'localhost:80:80',
      'xn--lcalhost-54a',
      '127.0.0.2',
      '10.0.0.1',
    ])
      for (const path of ['/api/exports', '/', '/healthz', '/metrics']) {
        const answer = await house.ask(path, { headers: { host } })
        expect([host, path, answer.status]).toEqual([host, path, 403])
        expect(problem(answer).code).toBe('foreign_host')
      }
  })

  test('no Host at all is no name of this machine', async () => {
    const text = await new Promise<string>((resolve) => {
      let heard = ''
      const socket = connect(house.port, '127.0.0.1', () => socket.write('GET /api/exports HTTP/1.0\r\n\r\n'))
      socket.on('data', (chunk) => (heard += chunk.toString()))
      socket.on('close', () => resolve(heard))
    })
    expect(text).toMatch(/^HTTP\/1\.1 403 /)
  })

  test('a configured name is served', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'weir-cfg-'))
    onTestFinished(() => rm(dir, { recursive: true, force: true }))
    await writeFile(join(dir, 'weir.yaml'), 'allowedHosts: [Weir.Local]\n')
    const named = await openHouse({ WEIR_CONFIG: join(dir, 'weir.yaml') }, { db: alive })
    onTestFinished(() => named.close())
    expect((await named.ask('/api/exports', { headers: { host: 'weir.local:8788' } })).status).toBe(200)
    expect((await named.ask('/api/exports', { headers: { host: 'other.local' } })).status).toBe(403)
  })

  test('a page of another site cannot change anything', async () => {
    const body = '{}'
    const tryWith = (headers: Record<string, string>) =>
      house.ask('/api/demo-call', { method: 'POST', headers: { ...asJson, host: 'localhost:8788', ...headers }, body })
    const foreign: Record<string, string>[] = [
      { origin: 'https://evil.example' },
      { origin: 'http://localhost:9999' },
      { origin: 'null' },
      { origin: 'http://localhost:8788', 'sec-fetch-site': 'cross-site' },
      { 'sec-fetch-site': 'same-site' },
    ]
    for (const headers of foreign) {
      const answer = await tryWith(headers)
      expect([answer.status, problem(answer).code]).toEqual([403, 'foreign_origin'])
      expect(
        (
          await house.ask('/api/views/01976f0a-5b1e-7a3c-8f00-0123456789ab', {
            method: 'DELETE',
            headers: { host: 'localhost:8788', ...headers },
          })
        ).status,
      ).toBe(403)
    }
    const own: Record<string, string>[] = [
      {},
      { origin: 'http://localhost:8788', 'sec-fetch-site': 'same-origin' },
      { 'sec-fetch-site': 'none' },
    ]
    for (const headers of own)
      expect(await tryWith(headers)).toMatchObject({ status: 200, text: '{"id":"01976f0a-5b1e-7a3c-8f00-0123456789ab"}' })
  })

  test('a body that is no JSON, too large or of another type is told so', async () => {
    const send = async (body: string, type = 'application/json') => {
      const answer = await house.ask('/api/views', { method: 'POST', headers: { 'content-type': type }, body })
      return [answer.status, problem(answer).code]
    }
    expect(await send('{"name":')).toEqual([400, 'bad_body'])
    expect(await send('{"name":"x","page":"javascript:alert(1)","query":""}')).toEqual([400, 'bad_body'])
    expect(await send('{"name":"x","page":"/requests","query":"","more":1}')).toEqual([400, 'bad_body'])
    expect(await send('a=b', 'application/x-www-form-urlencoded')).toEqual([415, 'not_json'])
    expect(await send('{}', 'text/plain')).toEqual([415, 'not_json'])
    expect(await send(JSON.stringify({ name: 'x'.repeat(70_000) }))).toEqual([413, 'body_too_large'])
  })

  test('problems say what is wrong and what to do', async () => {
    const filter = await house.ask('/api/requests?filter=modle+%3D+x')
    expect(filter).toMatchObject({
      status: 400,
      headers: { 'content-type': 'application/problem+json; charset=utf-8', 'cache-control': 'no-store' },
    })
    expect(problem(filter)).toMatchObject({
      code: 'bad_filter',
      status: 400,
      param: 'filter',
      detail: expect.stringContaining('Did you mean model?') as string,
    })
    expect(problem(await house.ask('/api/requests?limit=0'))).toMatchObject({ code: 'bad_parameter', param: 'limit' })
    expect(problem(await house.ask('/api/requests?frm=1'))).toMatchObject({ code: 'bad_parameter', param: 'frm' })
    expect(problem(await house.ask('/api/requests?limit=1&limit=2'))).toMatchObject({ code: 'bad_parameter', param: 'limit' })
    expect(problem(await house.ask('/api/overview?from=2026-11-25T00:00:00Z&to=2026-11-24T00:00:00Z'))).toMatchObject({
      code: 'bad_parameter',
      param: 'from',
    })
    expect(problem(await house.ask('/api/overview?from=2020-01-01T00:00:00Z&to=2026-11-24T00:00:00Z'))).toMatchObject({
      code: 'bad_parameter',
      param: 'from',
    })
    expect(problem(await house.ask('/api/nothing'))).toMatchObject({ code: 'unknown_path', status: 404 })
    expect(problem(await house.ask('/api'))).toMatchObject({ code: 'unknown_path', status: 404 })
    expect(problem(await house.ask('/api/overview', { method: 'POST', headers: asJson, body: '{}' }))).toMatchObject({
      code: 'method_not_allowed',
      status: 405,
    })
    expect(problem(await house.ask('/api/requests/%E0%A4%A'))).toMatchObject({ code: 'bad_body', status: 400 })
  })

  test('pages: hashed files for a year, packed; index.html for the routes of the UI; nothing beside', async () => {
    const index = await house.ask('/')
    expect(index).toMatchObject({
      status: 200,
      text: '<!doctype html><title>Weir</title>',
      headers: { 'cache-control': 'no-cache' },
    })
    for (const path of [
      '/requests',
      '/requests/01976f0a-5b1e-7a3c-8f00-0123456789ab?tab=raw',
      '/start',
      '/exports',
      '/settings',
      '/sessions/a%2Fb',
      '/sql',
      '/requests/',
    ])
      expect(await house.ask(path)).toMatchObject({ status: 200, text: index.text })
    expect(await house.ask('/nowhere')).toMatchObject({ status: 404, text: index.text })
    for (const path of [
      '/assets/nothing.js',
      '/../server.ts',
      '/..%2fserver.ts',
      '/assets/../../package.json',
      '/index.html.map',
    ])
      expect((await house.ask(path)).status).toBe(404)
    const plain = await house.ask('/assets/main-abc123.js')
    expect(plain).toMatchObject({
      text: script,
      headers: { 'cache-control': 'public, max-age=31536000, immutable', 'content-type': 'text/javascript; charset=utf-8' },
    })
    expect(await house.ask('/assets/main-abc123.js', { headers: { 'if-none-match': String(plain.headers.etag) } })).toMatchObject(
      { status: 304, text: '' },
    )
    const packed = async (coding: string): Promise<{ coding: string | null; bytes: Buffer }> => {
      const answer = await fetch(`http://127.0.0.1:${String(house.port)}/assets/main-abc123.js`, {
        headers: { 'accept-encoding': coding },
      })
      return { coding: answer.headers.get('content-encoding'), bytes: Buffer.from(await answer.arrayBuffer()) }
    }
    // fetch unpacks by itself: the length on the wire tells that it was packed.
    expect(await packed('gzip, br')).toMatchObject({ coding: 'br', bytes: Buffer.from(script) })
    expect(await packed('gzip')).toMatchObject({ coding: 'gzip', bytes: Buffer.from(script) })
    expect(await packed('identity')).toMatchObject({ coding: null, bytes: Buffer.from(script) })
    const length = async (coding: string) =>
      Number(
        (await house.ask('/assets/main-abc123.js', { method: 'HEAD', headers: { 'accept-encoding': coding } })).headers[
          'content-length'
        ],
      )
    expect(await length('br')).toBeLessThan(200)
    expect(await length('br;q=0')).toBe(script.length)
  })

  test('health, exports, metrics, readiness', async () => {
    const health = healthSchema.parse(JSON.parse((await house.ask('/api/health')).text))
    expect(health).toMatchObject({
      ok: true,
      demoCall: true,
      hasRows: true,
      proxyUrl: 'http://127.0.0.1:9000',
      versions: { weir: '0.1.0', node: process.versions.node, engine: '26.7.2.1' },
    })
    expect(health.stores.map(({ role, kind, state }) => `${role} ${kind} ${state}`)).toEqual([
      'log journal ok',
      'analytics chdb ok',
      'state memory ok',
      'control pglite unopened',
    ])
    expect(exportsSchema.parse(JSON.parse((await house.ask('/api/exports')).text)).destinations).toMatchObject([
      { name: 'jaeger', state: 'failing', lagSeconds: 4.5 },
    ])
    expect(await house.ask('/healthz')).toMatchObject({ status: 200, text: '{"status":"alive"}' })
    expect(await house.ask('/readyz')).toMatchObject({ status: 200 })
    const metrics = await house.ask('/metrics')
    expect(metrics.text).toContain('weir_test_total 3')
  })

  test('reading views opens nothing; the first one saved makes the store', async () => {
    expect(await house.ask('/api/views')).toMatchObject({ status: 200, text: '{"views":[]}' })
    expect(existsSync(join(house.dataDir, 'control'))).toBe(false)
    const missing = await house.ask('/api/views/01976f0a-5b1e-7a3c-8f00-0123456789ab', { method: 'DELETE' })
    expect([missing.status, problem(missing).code]).toEqual([404, 'unknown_view'])
    expect(existsSync(join(house.dataDir, 'control'))).toBe(false)
    const saved = await house.ask('/api/views', {
      method: 'POST',
      headers: asJson,
      body: JSON.stringify({ name: ' slow ', page: '/requests', query: 'sort=-latency' }),
    })
    const view = viewSchema.parse(JSON.parse(saved.text))
    expect(view).toMatchObject({ name: 'slow', page: '/requests', query: 'sort=-latency' })
    expect(await house.json<Views>('/api/views')).toEqual({ views: [view] })
    expect(await house.ask(`/api/views/${view.id}`, { method: 'DELETE' })).toMatchObject({ status: 204, text: '' })
    expect(await house.json<Views>('/api/views')).toEqual({ views: [] })
  }, 120_000)

  test('the OpenAPI document names every route, its parameters and answers', async () => {
    const document = await house.json<{
      openapi: string
      paths: Record<
        string,
        Record<string, { parameters?: { name: string }[]; security?: object[]; responses: Record<string, unknown> }>
      >
    }>('/api/openapi.json')
    expect(document.openapi).toBe('3.1.0')
    for (const { method, path } of routes) expect(document.paths[path.replaceAll(/:(\w+)/g, '{$1}')]?.[method]).toBeDefined()
    expect(document.paths['/api/requests']?.get?.parameters?.map(({ name }) => name)).toEqual([
      'from',
      'to',
      'filter',
      'q',
      'sort',
      'cursor',
      'limit',
      'tenant',
    ])
    expect(document.paths['/api/requests/{id}']?.get?.parameters).toMatchObject([
      { name: 'id', in: 'path', required: true },
      { name: 'tenant', in: 'query', required: false },
    ])
    expect(document.paths['/api/requests/{id}/bodies']?.get?.security).toEqual([
      {},
      { key: ['read-metrics', 'read-bodies'] },
      { session: ['read-metrics', 'read-bodies'] },
    ])
    expect(document.paths['/api/views/{id}']?.delete?.responses).toHaveProperty('204')
  })

  test('a request that is no HTTP ends its socket and nothing else', async () => {
    await new Promise<void>((resolve) => {
      const socket = connect(house.port, '127.0.0.1', () => socket.end('GET /\0 HTTP/1.1\r\nHost: localhost\r\n\r\n'))
      socket.on('error', () => undefined)
      socket.on('close', () => resolve())
      socket.resume()
    })
    expect((await house.ask('/healthz')).status).toBe(200)
  })
})

describe('without what it leans on', () => {
  test('a store that does not answer is a 503 that says so, without its words', async () => {
    const house = await openHouse({}, { db: fakeDb(() => Promise.reject(new DbError(0, 'connect ECONNREFUSED 10.1.2.3:9000'))) })
    onTestFinished(() => house.close())
    for (const path of ['/api/overview', '/api/series', '/api/top', '/api/errors', '/api/requests', '/api/fields']) {
      const answer = await house.ask(path)
      expect([answer.status, problem(answer).code]).toEqual([503, 'analytics_unreachable'])
      expect(answer.text).not.toContain('10.1.2.3')
    }
    const readyz = await house.ask('/readyz')
    expect([readyz.status, JSON.parse(readyz.text)]).toMatchObject([
      503,
      { status: 'not ready', causes: [{ cause: 'analytics_unreachable', advice: expect.stringContaining('CLICKHOUSE_URL') }] },
    ])
    expect(readyz.text).not.toContain('10.1.2.3')
    const health = await house.json<Health>('/api/health')
    expect(health).toMatchObject({
      ok: false,
      hasRows: false,
      versions: { engine: null },
      causes: [{ cause: 'analytics_unreachable' }],
    })
  })

  test('a question over its limits is told apart from a store that is down, and from a mistake of ours', async () => {
    let code = 159
    const house = await openHouse(
      {},
      { db: fakeDb(() => Promise.reject(new DbError(code, 'Code: 159. DB::Exception: Timeout: SELECT secret'))) },
    )
    onTestFinished(() => house.close())
    expect(problem(await house.ask('/api/overview'))).toMatchObject({ status: 503, code: 'question_too_large' })
    code = 62
    const answer = await house.ask('/api/overview')
    expect(problem(answer)).toMatchObject({ status: 500, code: 'internal' })
    expect(answer.text).not.toContain('DB::Exception')
  })

  test('no demo provider and no built pages', async () => {
    const house = await openHouse({}, { db: alive, uiDir: '/nonexistent' })
    onTestFinished(() => house.close())
    expect(problem(await house.ask('/api/demo-call', { method: 'POST', headers: asJson, body: '{}' }))).toMatchObject({
      status: 404,
      code: 'no_demo',
    })
    expect((await house.json<Health>('/api/health')).demoCall).toBe(false)
    expect(problem(await house.ask('/'))).toMatchObject({ status: 503, code: 'ui_missing' })
  })

  test('a demo call that fails', async () => {
    const house = await openHouse({}, { db: alive, demoCall: () => Promise.reject(new Error('secret host')) })
    onTestFinished(() => house.close())
    const answer = await house.ask('/api/demo-call', { method: 'POST', headers: asJson, body: '{}' })
    expect(problem(answer)).toMatchObject({ status: 502, code: 'demo_failed' })
    expect(answer.text).not.toContain('secret host')
  })
})

describe('off loopback', () => {
  let house: OpenHouse
  let nowMs = Date.UTC(2026, 10, 25, 12)
  beforeAll(async () => {
    house = await openHouse({ WEIR_HOST: '0.0.0.0', WEIR_ADMIN_SECRET: secret }, { db: alive, now: () => nowMs })
  })
  afterAll(() => house.close())
  const signIn = (value: string) =>
    house.ask('/api/session', { method: 'POST', headers: asJson, body: JSON.stringify({ secret: value }) })

  test('every endpoint wants the secret; health probes and the login do not', async () => {
    for (const { method, path } of [
      ...routes,
      { method: 'get', path: '/api/live' },
      { method: 'get', path: '/api/openapi.json' },
      { method: 'get', path: '/api/unknown' },
    ]) {
      const answer = await house.ask(path.replace(':id', '01976f0a-5b1e-7a3c-8f00-0123456789ab'), {
        method: method.toUpperCase(),
        headers: asJson,
        ...(method === 'post' ? { body: '{}' } : {}),
      })
      expect([path, answer.status]).toEqual([path, 401])
    }
    expect((await house.ask('/metrics')).status).toBe(401)
    expect((await house.ask('/metrics', { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200)
    for (const path of ['/healthz', '/readyz']) expect((await house.ask(path)).status).toBe(200)
    expect(await house.ask('/api/session')).toMatchObject({ status: 200, text: '{"required":true,"signedIn":false}' })
  })

  test('the secret as bearer', async () => {
    expect((await house.ask('/api/exports', { headers: { authorization: `Bearer ${secret}` } })).status).toBe(200)
    for (const authorization of [`Bearer ${secret}x`, 'Bearer ', `Basic ${secret}`, secret])
      expect((await house.ask('/api/exports', { headers: { authorization } })).status).toBe(401)
  })

  test('a login gives a cookie that scripts cannot read, for 12 hours or until the logout', async () => {
    const login = await house.ask('/api/login', {
      method: 'POST',
      headers: { ...asJson, 'x-forwarded-proto': 'https' },
      body: JSON.stringify({ secret }),
    })
    const set = String(login.headers['set-cookie'])
    expect(set).toMatch(/^weir_session=[A-Za-z0-9_-]{43}; Path=\/; HttpOnly; SameSite=Strict; Max-Age=43200; Secure$/)
    const cookie = set.split(';')[0] as string
    expect(await house.ask('/api/session', { headers: { cookie } })).toMatchObject({ text: '{"required":true,"signedIn":true}' })
    expect((await house.ask('/api/exports', { headers: { cookie } })).status).toBe(200)
    expect((await house.ask('/api/exports', { headers: { cookie: cookie.slice(0, -1) } })).status).toBe(401)
    nowMs += 12 * 3_600_000 + 1
    expect((await house.ask('/api/exports', { headers: { cookie } })).status).toBe(401)
    const second = String((await signIn(secret)).headers['set-cookie']).split(';')[0] as string
    expect(await house.ask('/api/session', { method: 'DELETE', headers: { cookie: second } })).toMatchObject({ status: 204 })
    expect((await house.ask('/api/exports', { headers: { cookie: second } })).status).toBe(401)
  })

  test('after five wrong secrets in a minute even the right one waits', async () => {
    nowMs += 60_000
    for (let i = 0; i < 5; i++)
      expect(problem(await signIn(`wrong ${String(i)}`))).toMatchObject({ status: 401, code: 'wrong_secret' })
    const answer = await signIn(secret)
    expect([answer.status, problem(answer).code, Number(answer.headers['retry-after']) > 0]).toEqual([
      429,
      'too_many_logins',
      true,
    ])
    nowMs += 60_000
    expect((await signIn(secret)).status).toBe(200)
  })

  test('the secret is in no answer', async () => {
    const headers = { authorization: `Bearer ${secret}` }
    for (const path of ['/api/health', '/api/openapi.json', '/api/exports'])
      expect((await house.ask(path, { headers })).text).not.toContain(secret)
  })
})
