import { expect, test } from 'vitest'
import { builtInProviders } from '../registry.js'
import { pathAt, routeOf } from '../routes.js'

test.each([
  ['openai', '/v1/realtime', 'GET', 'realtime_session'],
  ['openai', '/v1/realtime/translations', 'GET', 'realtime_session'],
  ['openai', '/v1/realtime/client_secrets', 'POST', ''],
  ['openai', '/v1/realtime/calls', 'POST', ''],
  ['azure', '/openai/realtime', 'GET', 'realtime_session'],
  ['azure', '/openai/v1/realtime', 'GET', 'realtime_session'],
  ['azure-ai', '/voice-live/realtime', 'GET', 'realtime_session'],
  ['xai', '/v1/realtime', 'GET', 'realtime_session'],
  ['gemini', '/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent', 'GET', 'realtime_session'],
  [
    'gemini',
    '/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained',
    'GET',
    'realtime_session',
  ],
  ['gemini', '/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateMusic', 'GET', ''],
  ['vertex', '/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent', 'GET', 'realtime_session'],
  ['gemini', '/v1beta/models/realtime', 'GET', ''],
])('%s %s', (name, path, method, api) => {
  const provider = builtInProviders.get(name)
  const found = provider === undefined ? null : pathAt(provider, path)
  expect(found?.path).toBe(path)
  if (provider === undefined || found === null) return
  expect(routeOf(provider, method, path, found.family)).toMatchObject({ lane: 'relay', api })
})
