import { expect, test } from 'vitest'
import { pricedModel } from '../../prices/model-names.js'
import { readRequest } from '../read-request.js'
import { bedrockModel } from './model.js'

const arn = (resource: string, region = 'us-east-1'): string => `arn:aws:bedrock:${region}:123456789012:${resource}`

test.each([
  ['anthropic.claude-haiku-4-5-20251001-v1:0', 'anthropic.claude-haiku-4-5-20251001-v1:0', null],
  ['us.anthropic.claude-opus-4-6-v1', 'anthropic.claude-opus-4-6-v1', 'us'],
  ['eu.meta.llama3-2-1b-instruct-v1:0', 'meta.llama3-2-1b-instruct-v1:0', 'eu'],
  ['apac.amazon.nova-micro-v1:0', 'amazon.nova-micro-v1:0', 'apac'],
  ['global.anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1:0', 'global'],
  ['us-gov.anthropic.claude-3-haiku-20240307-v1:0', 'anthropic.claude-3-haiku-20240307-v1:0', 'us-gov'],
  ['jp.anthropic.claude-sonnet-4-5-20250929-v1:0', 'anthropic.claude-sonnet-4-5-20250929-v1:0', 'jp'],
  // A version in a name is no geography.
  ['openai.gpt-5.6-luna', 'openai.gpt-5.6-luna', null],
  ['zai.glm-4.7', 'zai.glm-4.7', null],
  ['amazon.titan-embed-text-v2%3A0', 'amazon.titan-embed-text-v2:0', null],
  ['amazon.titan-embed-text-v2%253A0', 'amazon.titan-embed-text-v2:0', null],
  [arn('inference-profile/us.anthropic.claude-opus-4-6-v1'), 'anthropic.claude-opus-4-6-v1', 'us'],
  ['arn:aws:bedrock:us-east-1::foundation-model/meta.llama3-8b-instruct-v1:0', 'meta.llama3-8b-instruct-v1:0', null],
  ['arn:aws-us-gov:bedrock:us-gov-west-1::foundation-model/amazon.titan-text-express-v1', 'amazon.titan-text-express-v1', null],
  // These name a resource of the account, not a model.
  [arn('application-inference-profile/a1b2c3d4e5f6'), null, null],
  [arn('provisioned-model/a1b2c3d4e5f6'), null, null],
  [arn('default-prompt-router/anthropic.claude:1'), null, null],
])('%s is %s in %s', (id, model, region) => {
  expect(bedrockModel(id)).toEqual({ model, region })
  if (!id.includes('%')) expect(bedrockModel(encodeURIComponent(id))).toEqual({ model, region })
})

test('a request: the model is in its path, however it is escaped; what is asked for decides the price', () => {
  const asked = (model: string, ending: string, body: object = {}) =>
    readRequest({
      family: 'bedrock',
      api: 'converse',
      path: `/model/${model}/${ending}`,
      body: Buffer.from(JSON.stringify(body)),
    })
  const profile = arn('inference-profile/us.amazon.nova-lite-v1:0')
  for (const model of [profile, encodeURIComponent(profile)])
    for (const ending of ['converse', 'converse-stream', 'invoke', 'invoke-with-response-stream', 'invoke?x=/invoke'])
      expect(asked(model, ending), `${model} ${ending}`).toMatchObject({
        model: 'us.amazon.nova-lite-v1:0',
        streaming: ending.endsWith('stream'),
      })
  expect(asked('mistral.mistral-large-2407-v1%3A0', 'invoke', { model: 'x' }).model).toBe('mistral.mistral-large-2407-v1:0')
  expect(asked(arn('application-inference-profile/a1b2'), 'converse').model).toBe(arn('application-inference-profile/a1b2'))
  expect(
    asked('m', 'converse', {
      serviceTier: { type: 'flex' },
      performanceConfig: { latency: 'optimized' },
      system: [{ text: 'a' }, { cachePoint: { type: 'default', ttl: '1h' } }],
    }).priceFacts,
  ).toEqual({ service_tier: 'flex', latency: 'optimized', ttl_1h: 1 })
  expect(
    asked('m', 'invoke', { imageGenerationConfig: { width: 1280, height: 720, quality: 'premium', numberOfImages: 2 } })
      .priceFacts,
  ).toEqual({ size: '1280x720', quality: 'premium' })
})

test('the price hangs on the id that was asked for, unless that is one of the account', () => {
  expect(pricedModel('bedrock', 'us.anthropic.claude-opus-4-6-v1', 'claude-opus-4-6')).toBe('us.anthropic.claude-opus-4-6-v1')
  expect(pricedModel('bedrock', arn('application-inference-profile/a1b2'), 'claude-opus-4-6')).toBe('claude-opus-4-6')
  expect(pricedModel('bedrock', null, 'claude-opus-4-6')).toBe('claude-opus-4-6')
})
