import { errorEvent, geminiErrorElement, providerError } from './errors.js'
import { amount } from './faults.js'
import { answeredModel, geminiModels } from './models.js'
import { toolCount } from './openai-chat.js'
import { vectorOf } from './openai-other.js'
import type { Asked, Reply } from './reply.js'
import { json, list, positive, record, sse, text } from './reply.js'
import { answerText, cutTo, exampleOf, pieces } from './text.js'
import type { Tokens } from './tokens.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

const usageOf = (tokens: Tokens, finished: boolean): unknown => {
  const visible = tokens.output - tokens.reasoning
  return {
    promptTokenCount: tokens.input,
    ...(finished ? { candidatesTokenCount: visible } : {}),
    totalTokenCount: tokens.input + tokens.reasoning + (finished ? visible : 0),
    ...(tokens.cached > 0 ? { cachedContentTokenCount: tokens.cached } : {}),
    promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens.input }],
    ...(tokens.reasoning > 0 ? { thoughtsTokenCount: tokens.reasoning } : {}),
  }
}

const inputTokens = (body: Asked['body']): number =>
  tokensOf(textBytes({ contents: body.contents, system: body.systemInstruction ?? body.system_instruction }))

interface Generated {
  readonly parts: readonly Readonly<Record<string, unknown>>[]
  readonly finish: 'STOP' | 'MAX_TOKENS'
  readonly tokens: Tokens
}

const generate = (asked: Asked): Generated => {
  const { body, fake } = asked
  const config = record(body.generationConfig)
  const thinking = record(config.thinkingConfig)
  const tools = list(body.tools).flatMap((tool) => list(record(tool).functionDeclarations).map(record))
  const last = record(list(body.contents).at(-1))
  const answered = list(last.parts).some((part) => record(part).functionResponse !== undefined)
  const calls = Array.from({ length: toolCount(asked, tools.length, answered) }, (_, i) => {
    const tool = tools[i % tools.length] ?? {}
    return {
      functionCall: { name: text(tool.name, 'tool'), args: exampleOf(record(tool.parametersJsonSchema ?? tool.parameters)) },
    }
  })
  const { text: content, cut } =
    calls.length > 0
      ? { text: '', cut: false }
      : cutTo(answerText(JSON.stringify(body.contents ?? ''), fake), positive(config.maxOutputTokens))
  const bytes =
    Buffer.byteLength(content) + calls.reduce((sum, call) => sum + Buffer.byteLength(JSON.stringify(call.functionCall.args)), 0)
  const reasons = thinking.includeThoughts === true || (positive(thinking.thinkingBudget) ?? 0) > 0
  const tokens = tokensFor(fake, { input: inputTokens(body), text: bytes, reasoning: reasons ? 64 : 0 })
  const thought = thinking.includeThoughts === true ? [{ text: '**Reading the question**\n\nIt is plain.\n', thought: true }] : []
  const said = calls.length > 0 ? calls : pieces(content, amount(fake, 'chunks') ?? 5).map((part) => ({ text: part }))
  return { parts: [...thought, ...said], finish: cut ? 'MAX_TOKENS' : 'STOP', tokens }
}

const oneText = (parts: Generated['parts']): Generated['parts'] => {
  const plain = parts.filter((part) => part.thought !== true && typeof part.text === 'string')
  const others = parts.filter((part) => !plain.includes(part))
  return plain.length === 0 ? others : [...others, { text: plain.map((part) => part.text).join('') }]
}

/** POST /v1beta/models/{model}:generateContent and :streamGenerateContent (SSE in CRLF with alt=sse, else a JSON array). */
export const generateContent = (asked: Asked, name: string, streaming: boolean): Reply => {
  if (asked.malformed) return providerError('gemini', asked, 400, 'Invalid JSON payload received.')
  const { parts, finish, tokens } = generate(asked)
  const common = { modelVersion: answeredModel(name, asked.fake), responseId: asked.id('', 22) }
  const headers = { 'server-timing': 'gfet4t7; dur=12' }
  if (!streaming)
    return json(
      {
        candidates: [{ content: { parts: oneText(parts), role: 'model' }, finishReason: finish, index: 0 }],
        usageMetadata: usageOf(tokens, true),
        ...common,
      },
      200,
      { ...headers, 'content-type': 'application/json; charset=UTF-8' },
    )
  const chunks = parts.map((part, i) => {
    const last = i === parts.length - 1
    return {
      candidates: [{ content: { parts: [part], role: 'model' }, ...(last ? { finishReason: finish } : {}), index: 0 }],
      usageMetadata: usageOf(tokens, last),
      ...common,
    }
  })
  if (asked.query.get('alt') === 'sse')
    return sse(
      chunks.map((chunk) => `data: ${JSON.stringify(chunk)}\r\n\r\n`),
      { terminal: 1, errorEvent: errorEvent('gemini', asked), headers: { ...headers, 'content-type': 'text/event-stream' } },
    )
  const elements = chunks.map((chunk, i) => `${i === 0 ? '[' : ',\r\n'}${JSON.stringify(chunk, null, 2)}\n`)
  return {
    status: 200,
    headers: { ...headers, 'content-type': 'application/json; charset=UTF-8' },
    parts: [...elements, ']'].map((part) => Buffer.from(part)),
    stream: true,
    terminal: 2,
    errorEvent: Buffer.from(`${asked.fake.get('error-event') === 'first' ? '[' : ',\r\n'}${geminiErrorElement(asked)}\n]`),
  }
}

export const countTokens = (asked: Asked): Reply => {
  const nested = record(asked.body.generateContentRequest)
  const tokens = amount(asked.fake, 'input') ?? inputTokens(nested.contents === undefined ? asked.body : nested)
  return json({ totalTokens: tokens, promptTokensDetails: [{ modality: 'TEXT', tokenCount: tokens }] })
}

export const embedContent = (asked: Asked, many: boolean): Reply => {
  const embed = (request: Readonly<Record<string, unknown>>): unknown => ({
    values: vectorOf(request.content, positive(request.outputDimensionality) ?? 768),
  })
  return many
    ? json({ embeddings: list(asked.body.requests).map((request) => embed(record(request))) })
    : json({ embedding: embed(asked.body) })
}

export const listModels = (): Reply =>
  json({
    models: geminiModels.map((id) => ({
      name: `models/${id}`,
      version: '001',
      displayName: id,
      inputTokenLimit: 1_048_576,
      outputTokenLimit: 65_536,
      supportedGenerationMethods: id.includes('embedding') ? ['embedContent'] : ['generateContent', 'countTokens'],
    })),
  })
