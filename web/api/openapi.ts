import { z } from 'zod'
import { problemSchema } from './contract.js'
import { liveNeeds } from './live.js'
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

/** Nobody is asked on a loopback bind under auth: open, hence the empty alternative. */
const securityOf = (needs: Route['needs']): Json[] => {
  // Off loopback SQL wants admin; which scope it wants here, a document cannot know.
  const scopes = needs === 'sql here' ? ['sql'] : needs
  return [{}, { key: scopes }, { session: scopes }]
}

const tenantParameter: Json = {
  name: 'tenant',
  in: 'query',
  required: false,
  description: "Whose data. Default: the key's tenant; `default` for the admin secret, which alone may name another.",
  schema: { type: 'string', pattern: '^[a-z0-9][a-z0-9_-]{0,63}$' },
}

const operationOf = ({ summary, needs, query, params, body, answer }: Route): Json => ({
  summary,
  description:
    needs === 'sql here'
      ? 'Wants the scope sql; off loopback admin, because it sees every tenant.'
      : `Wants ${needs.join(', ')}.`,
  security: securityOf(needs),
  parameters: [...parametersOf(params, 'path'), ...parametersOf(query, 'query'), tenantParameter],
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
    description: `Wants ${liveNeeds.join(', ')}.`,
    security: securityOf(liveNeeds),
    parameters: [{ name: 'filter', in: 'query', required: false, schema: { type: 'string', maxLength: 4096 } }, tenantParameter],
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
        key: {
          type: 'http',
          scheme: 'bearer',
          description:
            'A Weir key of weir.yaml that holds the scopes an operation names, or the admin secret, which holds all. Asked for when Weir is bound beyond loopback, and under auth: required.',
        },
        session: {
          type: 'apiKey',
          in: 'cookie',
          name: 'weir_session',
          description: 'Of a browser that signed in with such a key; it holds what the key holds.',
        },
      },
    },
    security: [{}, { key: [] }, { session: [] }],
  }
}
