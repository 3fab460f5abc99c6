import { z } from 'zod'
import { problemSchema } from './contract.js'
import { problems } from './problems.js'
import type { Route } from './route.js'

type Json = Record<string, unknown>

const schemaOf = (schema: z.ZodType, io: 'input' | 'output'): Json => {
  const { $schema: _, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any' })
  return rest as Json
}

const parametersOf = (schema: z.ZodType | null, place: 'query' | 'path'): Json[] => {
  if (schema === null) return []
  const { properties = {}, required = [] } = schemaOf(schema, 'input') as {
    properties?: Record<string, Json>
    required?: string[]
  }
  return Object.entries(properties).map(([name, { description, ...inner }]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    ...(description === undefined ? {} : { description }),
    schema: inner,
  }))
}

const problemAnswer = {
  description: 'What is wrong and what to do.',
  content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
}

const operationOf = ({ summary, query, params, body, answer }: Route): Json => ({
  summary,
  parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query')],
  ...(body === null
    ? {}
    : { requestBody: { required: true, content: { 'application/json': { schema: schemaOf(body, 'input') } } } }),
  responses: {
    ...(answer === null
      ? { 204: { description: 'Done.' } }
      : { 200: { description: 'The answer.', content: { 'application/json': { schema: schemaOf(answer, 'output') } } } }),
    default: problemAnswer,
  },
})

const live: Json = {
  get: {
    summary: 'New rows as they arrive: server-sent events `hello` {any}, then `rows` {rows, skipped}',
    parameters: [{ name: 'filter', in: 'query', required: false, schema: { type: 'string', maxLength: 4096 } }],
    responses: {
      200: { description: 'A stream.', content: { 'text/event-stream': { schema: { type: 'string' } } } },
      default: problemAnswer,
    },
  },
}

/** The OpenAPI 3.1 document of the route table. */
export const openApi = (routes: readonly Route[], version: string): Json => {
  const paths: Record<string, Json> = { '/api/live': live }
  for (const route of routes) {
    const path = route.path.replaceAll(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [route.method]: operationOf(route) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Weir',
      version,
      description: `Query API of Weir. Money is a decimal as text, times are UTC. Errors are RFC 9457 problem documents; codes: ${Object.keys(problems).join(', ')}.`,
    },
    paths,
    components: {
      schemas: { Problem: schemaOf(problemSchema, 'output') },
      securitySchemes: {
        secret: {
          type: 'http',
          scheme: 'bearer',
          description: 'The admin secret; asked for only when Weir is bound beyond loopback.',
        },
        session: { type: 'apiKey', in: 'cookie', name: 'weir_session' },
      },
    },
    security: [{}, { secret: [] }, { session: [] }],
  }
}
