import { createHash } from 'node:crypto'
import type { Fake } from './faults.js'
import { amount } from './faults.js'

const sentences = [
  'The invoice was issued on the third and covers the whole quarter.',
  'Three suppliers answered; the second is the cheapest by a margin of 8 %.',
  'I would start with the smallest change that makes the test pass.',
  'The customer asks for a refund of the second delivery, not of the first.',
  'Both figures agree once the exchange rate of the booking day is used.',
  'Rotate the key first, then look at the access log of the last 24 hours.',
  'The summary: demand rose, stock fell, and the order of May came too late.',
  'Yes, the contract allows it, with a notice of thirty days in writing.',
  'The index is not used because the column is wrapped in a function.',
  'Grüße aus Zürich: das Paket ist unterwegs und kommt am Freitag an. ✓',
]

/** A reproducible stream of numbers in [0, 1) from a text. */
export const randomFrom = (seed: string): (() => number) => {
  let state = createHash('sha256').update(seed).digest().readUInt32LE(0)
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}

/** An answer to `prompt`: always the same for the same prompt. `bytes` in x-fake sets its length. */
export const answerText = (prompt: string, fake: Fake): string => {
  const next = randomFrom(prompt)
  const pick = (): string => sentences[Math.floor(next() * sentences.length)] ?? ''
  const bytes = amount(fake, 'bytes')
  if (bytes === null) return `${pick()} ${pick()}`
  const ascii = 'The weir lets the water through and measures the flow. '
  return ascii.repeat(Math.ceil(bytes / ascii.length)).slice(0, bytes)
}

/** Cut to `max` tokens, as a model that ran into its limit. */
export const cutTo = (text: string, max: number | null): { readonly text: string; readonly cut: boolean } => {
  const bytes = Buffer.from(text)
  if (max === null || bytes.length <= max * 4) return { text, cut: false }
  let end = max * 4
  while (end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--
  return { text: bytes.subarray(0, end).toString(), cut: true }
}

/** `text` in `count` pieces of about the same length, none inside a surrogate pair; fewer when it is short. */
export const pieces = (text: string, count: number): readonly string[] => {
  const points = Array.from(text)
  const step = Math.max(1, Math.ceil(points.length / Math.max(1, count)))
  const all: string[] = []
  for (let i = 0; i < points.length; i += step) all.push(points.slice(i, i + step).join(''))
  return all
}

interface Schema {
  readonly type?: string | readonly string[]
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
  readonly enum?: readonly unknown[]
  readonly const?: unknown
}

/** A value that fits a JSON Schema, for the arguments of a tool call. */
export const exampleOf = (schema: Schema | undefined, name = 'value'): unknown => {
  if (schema?.const !== undefined) return schema.const
  if (schema?.enum !== undefined) return schema.enum[0]
  const type = (Array.isArray(schema?.type) ? schema.type[0] : schema?.type) as string | undefined
  switch (type?.toLowerCase()) {
    case 'string':
      return `some ${name}`
    case 'integer':
    case 'number':
      return 3
    case 'boolean':
      return true
    case 'array':
      return [exampleOf(schema?.items, name)]
    default:
      return Object.fromEntries(Object.entries(schema?.properties ?? {}).map(([key, inner]) => [key, exampleOf(inner, key)]))
  }
}
