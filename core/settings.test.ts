import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { loadConfig } from './config.js'
import { effectiveSettings } from './settings.js'

test('each value says where it came from, and no secret is shown', () => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-settings-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(
    join(dir, 'weir.yaml'),
    `defaultProvider: groq
keys: [{ name: app, sha256: ${'abc0'.repeat(16)} }]
exports:
  - { name: langfuse, profile: langfuse, endpoint: "http://pk:sk-canary-1@lf.example/api?key=canary-2", headers: { x-custom: "canary-\${N}" } }
`,
  )
  const env = {
    N: '3',
    WEIR_PROXY_PORT: '9999',
    WEIR_ADMIN_SECRET: 'canary-4-canary-4-canary-4-canary-4',
    DATABASE_URL: 'postgres://weir:canary-5@db/weir',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://localhost:4318',
  }
  const settings = effectiveSettings(loadConfig(env, dir), env)
  const of = (key: string) => settings.find((setting) => setting.key === key)
  expect(of('defaultProvider')).toEqual({ key: 'defaultProvider', value: '"groq"', source: 'file', name: 'line 1' })
  expect(of('proxyPort')).toEqual({ key: 'proxyPort', value: '9999', source: 'environment', name: 'WEIR_PROXY_PORT' })
  expect(of('webPort')).toEqual({ key: 'webPort', value: '8788', source: 'default', name: null })
  expect(of('journal.durability')).toEqual({ key: 'journal.durability', value: '"standard"', source: 'default', name: null })
  expect(of('exports.langfuse.profile')).toEqual({
    key: 'exports.langfuse.profile',
    value: '"langfuse"',
    source: 'file',
    name: 'line 4',
  })
  expect(of('exports.langfuse.protocol')).toMatchObject({ source: 'default' })
  expect(of('exports.langfuse.endpoint')?.value).toBe('"http://••••••@lf.example/api?••••••"')
  expect(of('exports.otel.endpoint')).toMatchObject({ source: 'environment', name: 'OTEL_EXPORTER_OTLP_ENDPOINT' })
  expect(of('databaseUrl')?.value).toBe('"postgres://••••••@db/weir"')
  // The digest of a key that people made up themselves would be guessed.
  expect([of('keys.app.sha256')?.value, of('keys.app.tenant')?.value]).toEqual(['"••••••"', '"default"'])
  expect(of('adminSecret')?.value).toBe('"••••••"')
  expect(JSON.stringify(settings)).not.toContain('canary')
})
