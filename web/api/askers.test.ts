import { mkdtemp, rm } from 'node:fs/promises'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { lines } from '../../clickhouse/testing.js'
import { accessOf, type Access } from '../../core/access.js'
import { loadConfig } from '../../core/config.js'
import { healthSchema, type LiveRows, type RequestDetail, type RequestPage, type Views } from './contract.js'
import type { RepriceJobs } from './house.js'
import { type HeldKey, withKeys } from './testing/keys.js'
import { openHouse, type OpenHouse } from './testing/open-house.js'

// Whose data is shown, and how much of it: by the tenant of the key, and its scopes.

const adminSecret = 'an-admin-secret-of-more-than-32-characters'
const keyOf = (name: string, scopes: HeldKey['scopes'], tenant: string): HeldKey => ({
  key: `sk-weir-${name}`,
  name,
  scopes,
  tenant,
})
const acme = keyOf('acme', ['read-metrics', 'read-bodies', 'admin'], 'acme')
const figures = keyOf('figures', ['read-metrics'], 'acme')
const beta = keyOf('beta', ['read-metrics', 'read-bodies', 'admin'], 'beta')
const keys = [acme, figures, beta]

let dir: string
let house: OpenHouse
/** In force from one call to the next, as after a reload. */
let access: Access
let begun: unknown[] = []
const jobs: RepriceJobs = {
  begin: (whose) => {
    begun.push(whose)
    return null
  },
  find: () => null,
  stop: () => Promise.resolve(),
}
const accessBy = async (held: readonly HeldKey[]): Promise<Access> =>
  accessOf(loadConfig({ ...(await withKeys(dir, 'required', held)), WEIR_ADMIN_SECRET: adminSecret }, dir), Date.now)

const now = Date.parse('2026-08-19T12:00:00Z')
let serial = 0
const callOf = (tenant: string) => ({
  tenant_id: tenant,
  ts: '2026-08-19 11:59:00.000',
  request_id: `01890a5d-ac96-774b-bcce-${String(++serial).padStart(12, '0')}`,
  source: `w-${tenant}`,
  source_offset: serial,
  retention_days: 20_000,
  provider: 'openai',
  api: 'chat',
  model: `model-of-${tenant}`,
  status: 200,
  outcome: 'complete',
  input_preview: `asked by ${tenant}`,
  output_preview: `told to ${tenant}`,
})

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'weir-askers-'))
  access = await accessBy(keys)
  house = await openHouse({ WEIR_ADMIN_SECRET: adminSecret }, { access: () => access, now: () => now, reprice: jobs })
  for (const tenant of ['acme', 'acme', 'beta', 'default']) {
    const call = callOf(tenant)
    await house.db.insert('requests', lines(call), call.request_id)
    const { tenant_id, ts, request_id, retention_days } = call
    const said = { request_body: `{"messages":[{"role":"user","content":"asked by ${tenant}"}]}`, request_state: 'stored' }
    await house.db.insert('request_bodies', lines({ tenant_id, ts, request_id, retention_days, ...said }), `${request_id}-b`)
  }
})
afterAll(async () => {
  await house.close()
  await rm(dir, { recursive: true, force: true })
})

const ask = (path: string, key: string, method = 'GET', body?: object) =>
  house.ask(path, {
    method,
    headers: { authorization: `Bearer ${key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }) },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
const read = async <T>(path: string, key: string): Promise<T> => {
  const { status, text } = await ask(path, key)
  if (status !== 200) throw new Error(`${path}: ${String(status)} ${text}`)
  return JSON.parse(text) as T
}
const modelsSeen = async (key: string, more = ''): Promise<readonly string[]> =>
  (await read<RequestPage>(`/api/requests?limit=50${more}`, key)).rows.map(({ model }) => model)
const codeOf = async (path: string, key: string): Promise<unknown> => {
  const { status, text } = await ask(path, key)
  return [status, (JSON.parse(text) as { code: string }).code]
}

describe('whose data', () => {
  test("a key sees its tenant's, the admin secret that of any tenant it names", async () => {
    expect(await modelsSeen(acme.key)).toEqual(['model-of-acme', 'model-of-acme'])
    expect(await modelsSeen(beta.key)).toEqual(['model-of-beta'])
    expect(await modelsSeen(adminSecret)).toEqual(['model-of-default'])
    expect(await modelsSeen(adminSecret, '&tenant=beta')).toEqual(['model-of-beta'])
    expect(await modelsSeen(adminSecret, '&tenant=nobody')).toEqual([])
  })

  test('a key may name its own tenant, and no other', async () => {
    expect(await modelsSeen(acme.key, '&tenant=acme')).toHaveLength(2)
    expect(await codeOf('/api/requests?tenant=beta', acme.key)).toEqual([403, 'other_tenant'])
    expect(await codeOf('/api/live?tenant=beta', acme.key)).toEqual([403, 'other_tenant'])
  })

  test.each(['tenant=', 'tenant=Acme', 'tenant=a%20b', 'tenant=%27--', `tenant=${'a'.repeat(65)}`, 'tenant=acme&tenant=beta'])(
    '?%s is no tenant',
    async (query) => expect(await codeOf(`/api/requests?${query}`, adminSecret)).toEqual([400, 'bad_parameter']),
  )

  test('a call of another tenant is not there, by its id or its bodies', async () => {
    const [{ id = '' } = {}] = (await read<RequestPage>('/api/requests', beta.key)).rows
    for (const path of [`/api/requests/${id}`, `/api/requests/${id}/bodies`]) {
      expect((await ask(path, beta.key)).status).toBe(200)
      expect(await codeOf(path, acme.key)).toEqual([404, 'unknown_request'])
    }
  })

  test('views are kept apart', async () => {
    const made = await ask('/api/views', acme.key, 'POST', { name: 'Mine', page: '/requests', query: '' })
    const { id } = JSON.parse(made.text) as { id: string }
    expect((await read<Views>('/api/views', beta.key)).views).toEqual([])
    expect((await ask(`/api/views/${id}`, beta.key, 'DELETE')).status).toBe(404)
    expect((await read<Views>('/api/views', acme.key)).views).toHaveLength(1)
  })

  test('re-pricing is of the own tenant; of all for the admin secret, unless it names one', async () => {
    begun = []
    const day = { from: '2026-08-19T00:00:00Z', to: '2026-08-20T00:00:00Z' }
    for (const [key, more] of [
      [acme.key, ''],
      [adminSecret, ''],
      [adminSecret, '?tenant=beta'],
    ] as const)
      expect((await ask(`/api/reprice${more}`, key, 'POST', day)).status).toBe(409)
    expect(begun).toEqual(['acme', null, 'beta'])
  })
})

describe('what was said, without read-bodies', () => {
  test('lists and details hold none of it', async () => {
    const { rows } = await read<RequestPage>('/api/requests', figures.key)
    expect(rows.map(({ inputPreview, outputPreview }) => inputPreview + outputPreview)).toEqual(['', ''])
    const detail = await read<RequestDetail>(`/api/requests/${rows[0]?.id ?? ''}`, figures.key)
    expect(detail).toMatchObject({
      model: 'model-of-acme',
      inputPreview: '',
      outputPreview: '',
      conversation: null,
      requestState: 'stored',
    })
    const whole = await read<RequestDetail>(`/api/requests/${rows[0]?.id ?? ''}`, acme.key)
    expect(whole).toMatchObject({ inputPreview: 'asked by acme', conversation: { messages: [{ role: 'user' }] } })
  })

  test.each([
    '/api/requests?q=asked',
    '/api/requests/count?q=asked',
    '/api/overview?q=asked',
    '/api/requests?filter=input%20~%20asked',
    '/api/requests?filter=provider%20%3D%20openai%20and%20(status%20%3D%201%20or%20output%20~%20told)',
    '/api/live?filter=input%20~%20asked',
  ])('%s would tell, and is refused', async (path) => {
    expect(await codeOf(path, figures.key)).toEqual([403, 'missing_scope'])
    if (!path.startsWith('/api/live')) expect((await ask(path, acme.key)).status).toBe(200)
  })

  test('the configuration is for who holds admin', async () => {
    const [few, all] = [await read('/api/health', figures.key), await read('/api/health', acme.key)].map((health) =>
      healthSchema.parse(health),
    )
    expect([few?.settings, few?.configFile]).toEqual([null, null])
    expect(all?.settings?.length).toBeGreaterThan(10)
  })
})

/** Listens; `rows` are the models and previews that came, `ended` resolves when the server hangs up. */
const listening = async (key: string, more = '') => {
  const rows: string[] = []
  let hello: () => void
  let over: () => void
  const begunToListen = new Promise<void>((resolve) => (hello = resolve))
  const ended = new Promise<void>((resolve) => (over = resolve))
  const req = request(
    { host: '127.0.0.1', port: house.port, path: `/api/live${more}`, headers: { authorization: `Bearer ${key}` } },
    (res) => {
      let text = ''
      res.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const event = text.slice(0, end)
          text = text.slice(end + 2)
          if (event.startsWith('event: hello')) hello()
          const data = /^event: rows\ndata: (.*)$/m.exec(event)?.[1]
          if (data !== undefined)
            rows.push(...(JSON.parse(data) as LiveRows).rows.map(({ model, inputPreview }) => `${model}: ${inputPreview}`))
        }
      })
      res.on('close', () => over()).on('error', () => over())
    },
  )
  req.on('error', () => over()).end()
  onTestFinished(() => void req.destroy())
  await begunToListen
  return { rows, ended }
}
const store = async (tenant: string): Promise<void> => {
  const call = callOf(tenant)
  await house.db.insert('requests', lines(call), call.request_id)
  house.stored()
}

describe('the live tail', () => {
  test("tells each listener of its tenant's calls, and as much as its key may read", async () => {
    const [mine, less, theirs, named] = await Promise.all([
      listening(acme.key),
      listening(figures.key),
      listening(beta.key),
      listening(adminSecret, '?tenant=acme'),
    ])
    await store('acme')
    await store('beta')
    await expect
      .poll(() => [mine.rows, less.rows, theirs.rows, named.rows])
      .toEqual([
        ['model-of-acme: asked by acme'],
        ['model-of-acme: '],
        ['model-of-beta: asked by beta'],
        ['model-of-acme: asked by acme'],
      ])
  })

  test('ends when the key is taken away, and tells nothing more', async () => {
    onTestFinished(async () => void (access = await accessBy(keys)))
    const [mine, theirs] = await Promise.all([listening(acme.key), listening(beta.key)])
    access = await accessBy([beta])
    await store('acme')
    await mine.ended
    expect(mine.rows).toEqual([])
    await store('beta')
    await expect.poll(() => theirs.rows).toEqual(['model-of-beta: asked by beta'])
  })
})

describe('a session', () => {
  const signIn = (secret: string) =>
    house.ask('/api/session', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ secret }),
    })
  const cookieOf = async (secret: string): Promise<string> =>
    String((await signIn(secret)).headers['set-cookie']).split(';')[0] ?? ''

  test('may do what its key may, and sees its tenant', async () => {
    const cookie = await cookieOf(figures.key)
    const { text } = await house.ask('/api/requests', { headers: { cookie } })
    expect(
      (JSON.parse(text) as RequestPage).rows.every(({ model, inputPreview }) => model === 'model-of-acme' && inputPreview === ''),
    ).toBe(true)
    expect((await house.ask('/api/exports', { headers: { cookie } })).status).toBe(403)
    expect((await house.ask('/api/session', { headers: { cookie } })).text).toBe('{"required":true,"signedIn":true}')
  })

  test('ends with its key', async () => {
    onTestFinished(async () => void (access = await accessBy(keys)))
    const cookie = await cookieOf(acme.key)
    access = await accessBy([figures])
    expect((await house.ask('/api/requests', { headers: { cookie } })).status).toBe(401)
    expect((await house.ask('/api/session', { headers: { cookie } })).text).toBe('{"required":true,"signedIn":false}')
  })

  test('a bearer beside a cookie decides, right or wrong', async () => {
    const cookie = await cookieOf(acme.key)
    expect((await house.ask('/api/requests', { headers: { cookie, authorization: 'Bearer wrong' } })).status).toBe(401)
    expect((await house.ask('/api/exports', { headers: { cookie, authorization: `Bearer ${figures.key}` } })).status).toBe(403)
  })

  test('a key that may not read figures gets none, and is told why', async () => {
    onTestFinished(async () => void (access = await accessBy(keys)))
    access = await accessBy([keyOf('caller', ['proxy'], 'acme')])
    const { status, text } = await signIn('sk-weir-caller')
    expect([status, JSON.parse(text)]).toMatchObject([
      403,
      { code: 'missing_scope', detail: 'The Weir key caller lacks the scope read-metrics.' },
    ])
  })
})

test('no answer holds a key', async () => {
  for (const path of ['/api/health', '/api/openapi.json', '/api/exports', '/api/nothing'])
    for (const key of [acme.key, 'sk-weir-wrong', adminSecret]) expect((await ask(path, key)).text).not.toContain(key)
})
