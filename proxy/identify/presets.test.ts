import { describe, expect, test } from 'vitest'
import { effectiveConfig } from '../../core/config.js'
import { parseConfigFile } from '../../core/config/parse.js'
import { WeirError } from '../../core/errors.js'
import { readOwnHeaders, type OwnAsked } from './identity.js'
import { presetsOf } from './presets.js'
import { headerReader } from './read-headers.js'

const file = `
defaults:
  Retry-Enabled: true
  Retry-Num: 3
  Cache-Control: "max-age=60"
  Fallback: openai/gpt-5-mini
  Prompt-Id: greeting
configs:
  careful: { Retry-Num: "7", Timeout: "ttft=8000", Cache-Enabled: true }
  all: { Fallbacks: '[{"target":"groq"}]' }
`
const presets = presetsOf(
  effectiveConfig(parseConfigFile({ path: 'weir.yaml', text: file }, {}), null, { WEIR_DATA: '/nowhere' }, '/'),
)
const read = (headers: Record<string, string>): OwnAsked => {
  const { own, cacheControl } = headerReader()(Object.entries(headers).flat())
  return readOwnHeaders(own, { strictHelicone: false, isProvider: () => false, presets }, cacheControl)
}
const retry = (headers: Record<string, string>): number | undefined => read(headers).steering.failover?.retry?.num

describe('what holds: the request, the config it names, defaults, what is built in', () => {
  test.each([
    ['nothing', {}, 3],
    ['a header of ours', { 'Weir-Retry-Num': '1' }, 1],
    ["Helicone's spelling of it", { 'Helicone-Retry-Num': '2' }, 2],
    ['a config', { 'Weir-Config': 'careful' }, 7],
    ['a config that does not say it', { 'Weir-Config': 'all' }, 3],
    ['a config and a header', { 'Weir-Config': 'careful', 'Weir-Retry-Num': '0' }, 0],
    ['a header without a value', { 'Weir-Retry-Num': ' ' }, 3],
    ['the whole turned off', { 'Weir-Retry-Enabled': 'false' }, undefined],
  ])('%s', (_, headers, num) => expect(retry(headers)).toBe(num))

  test('each value tells where it is from', () => {
    const { values } = read({ 'Weir-Config': 'careful', 'Helicone-User-Id': 'ada' })
    expect(Object.fromEntries([...values].map(([name, { from }]) => [name, from]))).toEqual({
      config: 'header',
      'user-id': 'header',
      'retry-num': 'config',
      timeout: 'config',
      'cache-enabled': 'config',
      'retry-enabled': 'default',
      'cache-control': 'default',
      fallback: 'default',
      'prompt-id': 'default',
    })
  })

  test('what is read once is what would be read', () => {
    const once = read({ 'Weir-User-Id': 'ada' }).steering
    const anew = read({ 'Weir-User-Id': 'ada', 'Weir-Omit-Request': 'false' }).steering
    expect(once).toEqual(anew)
    expect(once.failover?.fallback?.targets.map(({ name }) => name)).toEqual(['openai/gpt-5-mini'])
    expect(read({}).identity.promptId).toBe('greeting')
  })

  test('who names other targets in one of the two ways has said it', () => {
    const names = (headers: Record<string, string>) => read(headers).steering.failover?.fallback
    expect(names({ 'Weir-Fallbacks': '[{"target":"mistral"}]' })).toMatchObject({ form: 'whole' })
    expect(names({ 'Weir-Config': 'all' })).toMatchObject({ form: 'whole', targets: [{ name: 'groq' }] })
    expect(names({ 'Weir-Config': 'all', 'Weir-Fallback': 'xai' })).toMatchObject({ form: 'after', targets: [{ name: 'xai' }] })
  })

  test('a Cache-Control of the call itself goes before that of weir.yaml, if it says anything', () => {
    const ageMs = (more: Record<string, string>) => read({ 'Weir-Config': 'careful', ...more }).steering.cache?.maxAgeMs
    expect(ageMs({})).toBe(60_000)
    expect(ageMs({ 'Cache-Control': 'max-age=5' })).toBe(5000)
    expect(ageMs({ 'Cache-Control': 'no-transform' })).toBe(60_000)
    expect(ageMs({ 'Cache-Control': 'max-age=5', 'Weir-Cache-Control': 'max-age=7' })).toBe(7000)
  })

  test('a value of Helicone that is bad counts for nothing: what weir.yaml holds does', () => {
    const asked = read({ 'Helicone-Retry-Num': 'x', 'Helicone-Retry-Factor': 'x', 'Helicone-Session-Path': 'plan' })
    expect(asked.steering.failover?.retry).toMatchObject({ num: 3, factor: 2 })
    expect(asked.identity.sessionPath).toBe('/plan')
    expect([...asked.warnings].sort()).toEqual([
      'bad-value;h="helicone-retry-factor"',
      'bad-value;h="helicone-retry-num"',
      'bad-value;h="helicone-session-path"',
    ])
    expect(asked.values.get('retry-num')?.from).toBe('default')
  })

  test('no caller is warned of what weir.yaml holds', () => {
    const silent = presetsOf({ defaults: { 'Retry-Num': '3', 'Cache-Control': 'max-age=99999999999' }, configs: {} })
    const { own } = headerReader()(['Weir-Cache-Enabled', 'true'])
    const asked = readOwnHeaders(own, { strictHelicone: false, isProvider: () => false, presets: silent })
    expect(asked.warnings).toEqual([])
    expect(asked.steering.cache?.maxAgeMs).toBe(31_536_000_000)
  })

  test.each([
    ['fast', 'Weir-Config: weir.yaml has no config "fast"; it has careful, all.'],
    ['__proto__', 'Weir-Config: accepted is the name of a config of weir.yaml'],
    ['constructor', 'Weir-Config: weir.yaml has no config "constructor"; it has careful, all.'],
    ['a b', 'Weir-Config: accepted is the name of a config of weir.yaml'],
  ])('the config %s is refused', (name, message) => {
    expect(() => read({ 'Weir-Config': name })).toThrow(WeirError)
    expect(() => read({ 'Weir-Config': name })).toThrow(message)
  })

  test('text of weir.yaml is text: not only ASCII', () => {
    const named = presetsOf({ defaults: { 'Prompt-Id': 'Begrüßung – 你好' }, configs: {} })
    expect(readOwnHeaders([], { strictHelicone: false, isProvider: () => false, presets: named }).identity.promptId).toBe(
      'Begrüßung – 你好',
    )
  })
})
