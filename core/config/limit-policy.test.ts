import { describe, expect, test } from 'vitest'
import { loadConfig } from '../config.js'
import { ConfigError, parseConfigFile } from './parse.js'

const parse = (text: string) => parseConfigFile({ path: 'weir.yaml', text }, {}).limits

describe('limits in weir.yaml', () => {
  test('without a word: open, and no policies', () => expect(parse('')).toEqual({ onStoreError: 'open', policies: [] }))

  test('policies, for all keys or for some', () => {
    expect(
      parse(`limits:
  onStoreError: closed
  policies:
    - { policy: "1000;w=60;s=@key" }
    - { policy: "5;w=1", keys: [weir-1a2b] }
`),
    ).toEqual({
      onStoreError: 'closed',
      policies: [
        { policy: '1000;w=60;s=@key', keys: ['*'] },
        { policy: '5;w=1', keys: ['weir-1a2b'] },
      ],
    })
  })

  test.each([
    ['1000;w=0', 'weir.yaml:3:17: limits.policies.0.policy: at character 8: w= is a window'],
    ['1000', 'at character 5: A policy has a window'],
    ['1;w=1, 2;w=2', 'one policy stands here'],
    ['', 'begins with its quota'],
  ])('%s', (policy, message) => {
    const text = `limits:\n  policies:\n    - { policy: "${policy}" }\n`
    expect(() => parse(text)).toThrow(ConfigError)
    expect(() => parse(text)).toThrow(message)
  })

  test('nobody is no key', () => expect(() => parse('limits: { policies: [{ policy: "1;w=1", keys: [] }] }')).toThrow('keys'))
})

describe('REDIS_URL', () => {
  const load = (env: Record<string, string>) => loadConfig({ WEIR_CONFIG: '/dev/null', ...env }, '/')

  test('none, one, one with TLS', () => {
    expect(load({}).redisUrl).toBeNull()
    expect(load({ REDIS_URL: '' }).redisUrl).toBeNull()
    expect(load({ REDIS_URL: 'redis://10.0.0.5:6379/2' }).redisUrl).toBe('redis://10.0.0.5:6379/2')
    expect(load({ REDIS_URL: 'rediss://:pw@redis.example' }).redisUrl).toBe('rediss://:pw@redis.example')
  })

  test.each(['localhost:6379', 'http://localhost', 'redis://', 'redis:///1'])('%s is none', (url) =>
    expect(() => load({ REDIS_URL: url })).toThrow('redis://'),
  )

  test('more than one proxy needs it, and is not started from one command', () => {
    expect(() => load({ WEIR_PROXIES: '2' })).toThrow('needs REDIS_URL')
    expect(load({ WEIR_PROXIES: '2', REDIS_URL: 'redis://localhost' }).proxies).toBe(2)
    expect(load({ WEIR_PROXIES: '1', REDIS_URL: 'redis://localhost' }).proxies).toBe(1)
  })
})
