import type { AddressInfo } from 'node:net'
import { Registry } from 'prom-client'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { Scope } from '../core/config/weir-key.js'
import { loadConfig, type Config } from '../core/config.js'
import { keyDigest } from '../core/weir-keys.js'
import { adminApp, type AdminDeps } from './admin.js'

const adminSecret = 'an-admin-secret-of-more-than-32-characters'
const keyOf = (name: string, scopes: readonly Scope[], expires: string | null = null): Config['keys'][number] => ({
  name,
  sha256: keyDigest(`sk-weir-${name}`),
  tenant: 'acme',
  scopes,
  allow: {},
  expires,
})

const empty = { bytes: 0, limitBytes: 1, dropped: 0, full: null, shedsBodies: false, tornBytes: 0 }
const started = async (
  config: () => Config,
  more: Partial<AdminDeps> = {},
  path = '/metrics',
): Promise<(key: string | null) => Promise<{ status: number; text: string }>> => {
  const deps = {
    config,
    journal: { state: empty },
    journalLeft: () => null,
    shipping: null,
    dlqDir: '/data/dlq',
    storeAway: () => null,
    controlStale: () => null,
    metrics: { registry: new Registry(), inFlight: () => 0 },
    draining: () => false,
    saturated: () => null,
    processMetrics: null,
    ...more,
  } as unknown as AdminDeps
  const server = adminApp(deps).listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return async (key) => {
    const answer = await fetch(`http://127.0.0.1:${port}${path}`, {
      headers: key === null ? {} : { authorization: `Bearer ${key}` },
    })
    return { status: answer.status, text: await answer.text() }
  }
}

const base = loadConfig({ WEIR_ADMIN_SECRET: adminSecret, WEIR_HOST: '0.0.0.0' }, '/nonexistent')
const keys = [
  keyOf('figures', ['read-metrics']),
  ...(['proxy', 'read-bodies', 'sql', 'admin'] as const).map((scope) => keyOf(scope, [scope])),
  keyOf('old', ['read-metrics'], '2020-01-01'),
]

describe.each([
  { where: 'off loopback', config: { ...base, keys } },
  { where: 'on loopback, auth: required', config: { ...base, host: '127.0.0.1', auth: 'required' as const, keys } },
])('/metrics $where', ({ config }) => {
  test('is for the admin secret and keys that hold read-metrics', async () => {
    const ask = await started(() => config)
    expect((await ask(adminSecret)).status).toBe(200)
    expect((await ask('sk-weir-figures')).status).toBe(200)
    for (const scope of ['proxy', 'read-bodies', 'sql', 'admin']) {
      const { status, text } = await ask(`sk-weir-${scope}`)
      expect([status, text]).toEqual([403, expect.stringContaining(`The Weir key ${scope} lacks the scope read-metrics.`)])
    }
    for (const key of [null, 'sk-weir-wrong', 'sk-weir-old', keyDigest('sk-weir-figures')]) {
      const { status, text } = await ask(key)
      expect([key, status]).toEqual([key, 401])
      if (key !== null) expect(text).not.toContain(key)
    }
  })
})

test('/metrics on loopback, auth: open, is for everybody', async () => {
  const ask = await started(() => ({ ...base, host: '127.0.0.1', auth: 'open', keys }))
  for (const key of [null, 'sk-weir-wrong', 'sk-weir-proxy']) expect((await ask(key)).status).toBe(200)
})

test('a key that is taken out of the file is of no use from the next question on', async () => {
  let config: Config = { ...base, keys }
  const ask = await started(() => config)
  expect((await ask('sk-weir-figures')).status).toBe(200)
  config = { ...base, keys: [] }
  expect((await ask('sk-weir-figures')).status).toBe(401)
})

describe('/readyz: only what makes the proxy refuse calls is a 503', () => {
  const local: Config = { ...base, host: '127.0.0.1', auth: 'open', keys: [] }
  const refusing: Config = { ...local, journal: { ...local.journal, full: 'refuse' } }
  const full = { state: { ...empty, full: { reason: 'ENOSPC', message: 'No space.' } as const } } as AdminDeps['journal']
  const stale =
    (refuses: boolean): AdminDeps['controlStale'] =>
    () => ({ effect: 'It is 3 h old.', refuses })
  test.each<[string, Config, Partial<AdminDeps>, number, string, string[]]>([
    ['all is well', local, {}, 200, 'ready', []],
    ['the journal is full', local, { journal: full }, 200, 'degraded', ['journal_full']],
    ['the journal is full, and calls are to be refused then', refusing, { journal: full }, 503, 'not ready', ['journal_full']],
    ['it drains', local, { draining: () => true }, 503, 'not ready', ['draining']],
    ['saturated', local, { saturated: () => 'busy' }, 200, 'degraded', ['saturated']],
    ['Redis is away', local, { storeAway: () => 'away' }, 200, 'degraded', ['store_unreachable']],
    ['the snapshot is old', local, { controlStale: stale(false) }, 200, 'degraded', ['control_stale']],
    ['the snapshot is too old', local, { controlStale: stale(true) }, 503, 'not ready', ['control_stale']],
  ])('%s', async (_, config, more, code, word, causes) => {
    const ask = await started(() => config, more, '/readyz')
    const { status, text } = await ask(null)
    const told = JSON.parse(text) as { status: string; causes: { cause: string; effect: string; advice: string }[] }
    expect([status, told.status, told.causes.map(({ cause }) => cause)]).toEqual([code, word, causes])
    for (const { effect, advice } of told.causes) expect([effect, advice].every((said) => said.length > 3)).toBe(true)
  })
})
