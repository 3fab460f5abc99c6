import { expect, test } from 'vitest'
import type { ProviderConfig } from '../config/provider.js'
import { isOriginOf, providersFrom, type Provider } from './registry.js'
import { pathAt } from './routes.js'

const providerFrom = (name: string, change: ProviderConfig): Provider => {
  const found = providersFrom({ providers: { [name]: change } }).get(name)
  if (found === undefined) throw new Error(`No ${name}.`)
  return found
}

test('an own provider takes the paths of its prefixes, the longest first', () => {
  const provider = providerFrom('mine', {
    origin: 'http://h',
    prefixes: [
      { path: '/llm/', family: 'openai-chat' },
      { path: '/llm/claude/', family: 'anthropic' },
    ],
  })
  expect(pathAt(provider, '/llm/chat/completions')).toEqual({ path: '/llm/chat/completions', family: 'openai-chat' })
  expect(pathAt(provider, '/llm/claude/v1/messages')).toEqual({ path: '/llm/claude/v1/messages', family: 'anthropic' })
  expect(pathAt(provider, '/v1/chat/completions')).toEqual({ path: '/llm/chat/completions', family: 'openai-chat' })
  expect(pathAt(provider, '/v2/chat/completions')).toBeNull()
  expect(provider.roots).toEqual({ 'openai-chat': '/llm', anthropic: '/llm/claude/v1' })
})

test('root and prefixes stand beside each other', () => {
  const provider = providerFrom('mine', {
    origin: 'http://h',
    root: '/api/v3',
    prefixes: [{ path: '/claude/', family: 'anthropic' }],
  })
  expect(provider.roots).toEqual({ 'openai-chat': '/api/v3', anthropic: '/claude/v1' })
  expect(pathAt(provider, '/api/v3/embeddings')?.family).toBe('openai-chat')
  expect(providerFrom('mine', { origin: 'http://h', root: '/a', family: 'anthropic' }).roots).toEqual({ anthropic: '/a' })
})

test('a built-in provider takes a root and prefixes, too', () => {
  const openai = providerFrom('openai', { root: '/proxy/v1', prefixes: [{ path: '/claude/', family: 'anthropic' }] })
  expect(pathAt(openai, '/v1/chat/completions')?.path).toBe('/proxy/v1/chat/completions')
  expect(pathAt(openai, '/claude/v1/messages')?.family).toBe('anthropic')
  const anthropic = providerFrom('anthropic', { root: '/a/v1' })
  expect(anthropic.roots).toEqual({ 'openai-chat': '/v1', anthropic: '/a/v1' })
  expect(pathAt(anthropic, '/a/v1/messages')).toEqual({ path: '/a/v1/messages', family: 'anthropic' })
  expect(pathAt(anthropic, '/v1/chat/completions')?.family).toBe('openai-chat')
})

test('who answers nobody without a key', () => {
  const needs = (name: string, change: ProviderConfig): boolean => providerFrom(name, change).needsKey
  expect(needs('openai', {})).toBe(true)
  expect(needs('vllm', {})).toBe(false)
  expect(needs('openai', { origin: 'http://h' })).toBe(false)
  expect(needs('openai', { origin: 'http://h', auth: 'bearer' })).toBe(true)
  expect(needs('openai', { auth: 'none' })).toBe(false)
  expect(needs('mine', { origin: 'http://h' })).toBe(false)
  expect(needs('mine', { origin: 'http://h', auth: 'bearer' })).toBe(true)
  expect(providerFrom('vllm', { auth: 'bearer' }).keyHeader).toBe('authorization')
})

test.each([
  ['openai', 'https://api.openai.com', true],
  ['openai', 'https://api.openai.com.evil.example', false],
  ['openai', 'http://api.openai.com', false],
  ['bedrock', 'https://bedrock-runtime.eu-west-1.amazonaws.com', true],
  ['bedrock', 'https://bedrock-runtime.evil.example/.amazonaws.com', false],
  ['bedrock', 'https://bedrock-runtime.a.evil.amazonaws.com', false],
  ['bedrock', 'https://bedrock-runtime.amazonaws.com', false],
  ['vertex', 'https://us-east5-aiplatform.googleapis.com', true],
  ['vertex', 'https://aiplatform.googleapis.com', true],
  ['vertex', 'https://-aiplatform.googleapis.com', false],
])('%s is at %s: %s', (name, origin, expected) => expect(isOriginOf(providerFrom(name, {}), origin)).toBe(expected))
