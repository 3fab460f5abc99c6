import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import { ConfigError } from '../core/config/parse.js'
import { checkedConfig } from './checked-config.js'

const load = (text: string) => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-config-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  writeFileSync(join(dir, 'weir.yaml'), text)
  return checkedConfig({}, dir)
}
const faults = (text: string): string[] => {
  try {
    load(text)
  } catch (cause) {
    if (cause instanceof ConfigError) return cause.message.split('\n').map((line) => line.replace(/^.*weir\.yaml:/, ''))
    throw cause
  }
  return []
}

describe('headers in weir.yaml are read by who reads headers', () => {
  test('good ones, in the forms YAML has for them', () =>
    expect(
      faults(`
defaults: { Cache-Control: "max-age=3600", Stream-Usage: pass, prompt-version: 3 }
targets: { azure-eu: { provider: azure, resource: acme, model: gpt-5 } }
configs:
  careful: { Retry-Enabled: true, Retry-Num: 3, Fallback: 'anthropic/claude-sonnet-4-6, "@azure-eu"', Timeout: "ttft=8000" }
  chain:
    Fallbacks: |
      [
        { "target": "groq/llama-3.3-70b-versatile" },
        { "target": "claude-sonnet-4-6" }
      ]
  empty: {}
`),
    ).toEqual([]))

  test.each([
    ['defaults: { Retry-Num: 11 }', '1:13: defaults.Retry-Num: accepted is a whole number from 0 to 10.'],
    [
      'configs:\n  careful:\n    Retry-Enabled: true\n    Timeout: ttft=soon',
      '4:5: configs.careful.Timeout: at character 6: ttft is a whole number of milliseconds, 1 to 86400000; accepted is any of total, connect, ttft and idle in milliseconds, as total=60000, ttft=5000.',
    ],
    ['defaults: { Retry-Nun: 1 }', '1:13: defaults.Retry-Nun: there is no such header. Did you mean Retry-Num?'],
    ['defaults: { Weir-Retry-Num: 1 }', '1:13: defaults.Weir-Retry-Num: names stand without their prefix here: write Retry-Num.'],
    [
      'defaults: { helicone-Retry-Num: 1 }',
      '1:13: defaults.helicone-Retry-Num: names stand without their prefix here: write Retry-Num.',
    ],
    ['defaults: { Budget: 1 }', '1:13: defaults.Budget: it is reserved for a later version.'],
    ['defaults: { Guard-X: 1 }', '1:13: defaults.Guard-X: it is reserved for a later version.'],
    ['defaults: { Redact: card }', '1:13: defaults.Redact: it has no effect in this version, so it cannot be relied on.'],
    [
      'defaults: { Retry-Num: 1, retry-num: 2 }',
      '1:27: defaults.retry-num: it is the same header as Retry-Num: case does not matter.',
    ],
    ['defaults: { Fallback: \'"@nobody"\' }', '1:13: defaults.Fallback: weir.yaml has no target "@nobody".'],
    [
      'defaults: { Fallback: "llama-9" }',
      '1:13: defaults.Fallback: no provider is known for "llama-9". Write provider/model, as in groq/llama-3.3-70b, or add it to models in weir.yaml.',
    ],
    [
      'defaults: { Cache-Scope: tenant }',
      '1:13: defaults.Cache-Scope: tenant needs cache.shared: true; every call would be refused.',
    ],
    ['defaults: { Prompt-Id: "a\\u0001b" }', '1:13: defaults.Prompt-Id: control characters cannot stand in a header.'],
  ])('%s', (text, message) => expect(faults(text)).toEqual([message]))

  test.each([
    'Auth',
    'User-Id',
    'Session-Id',
    'Session-Path',
    'Session-Name',
    'Property-Team',
    'Request-Id',
    'Tags',
    'Config',
    'Target-URL',
    'Anthropic-Key',
  ])('%s is one call’s alone', (name) =>
    expect(faults(`configs: { x: { ${name}: "a" } }`)).toEqual([
      `1:17: configs.x.${name}: it says who calls, or is one call's alone, and cannot stand here.`,
    ]),
  )

  test('what cannot stand together', () =>
    expect(faults('defaults: { Fallback: groq/x, Fallbacks: \'[{"target":"groq/x"}]\' }')).toEqual([
      expect.stringMatching(/^1:31: defaults\.Fallbacks: beside defaults\.Fallback it cannot stand: send one of them;/),
    ]))

  test('every fault is told, not the first alone', () =>
    expect(faults('defaults: { Retry-Num: x, Cache-Enabled: maybe }\nconfigs: { a: { Nope: 1 } }')).toHaveLength(3))

  test('an own provider without an origin is a fault of the file, too', () =>
    expect(faults('providers: { mine: { family: anthropic } }')).toEqual([
      expect.stringContaining('an own provider needs an origin'),
    ]))
})
