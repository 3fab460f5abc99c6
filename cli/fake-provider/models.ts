import type { Fake } from './faults.js'

/** Names that the real providers answer with a date; every other name comes back as it was asked. */
const dated: Readonly<Record<string, string>> = {
  'gpt-5': 'gpt-5-2025-08-07',
  'gpt-5-mini': 'gpt-5-mini-2025-08-07',
  'gpt-5-nano': 'gpt-5-nano-2025-08-07',
  'gpt-4.1': 'gpt-4.1-2025-04-14',
  'gpt-4.1-mini': 'gpt-4.1-mini-2025-04-14',
  'gpt-4o': 'gpt-4o-2024-08-06',
  'gpt-4o-mini': 'gpt-4o-mini-2024-07-18',
  'claude-haiku-4-5': 'claude-haiku-4-5-20251001',
  'claude-sonnet-4-5': 'claude-sonnet-4-5-20250929',
}

export const answeredModel = (asked: string, fake: Fake): string => fake.get('model') ?? dated[asked] ?? asked

export const openAiModels = ['gpt-5', 'gpt-5-mini', 'gpt-5-nano', 'gpt-4.1-mini', 'gpt-4o-mini', 'text-embedding-3-small']
export const anthropicModels = ['claude-opus-4-6', 'claude-sonnet-4-6', 'claude-haiku-4-5']
export const geminiModels = ['gemini-2.5-pro', 'gemini-2.5-flash', 'gemini-embedding-001']
