import type { Quantities } from './prices.js'
import { expectedPico } from './prices.js'

/** One call of the demo, ready to be sent. */
export interface PlannedCall {
  /** Behind the proxy's origin. */
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: unknown
  /** The client leaves in mid-answer. */
  readonly leaves: boolean
  /** Pico-USD; `null` where Weir has to estimate: the client left, the stream broke, or usage is not told. */
  readonly expectedPico: bigint | null
}

/** Who calls, and for what: the headers that cost attribution lives on. */
export interface Caller {
  readonly user: string
  readonly session?: { readonly id: string; readonly name: string; readonly path: string }
  readonly properties: Readonly<Record<string, string>>
}

export interface Ending {
  /** Further `x-fake` items: `status=429`, `error-event=last`. */
  readonly fake?: string
  readonly leaves?: boolean
  /** The tokens are not what was planned. `free`: an HTTP error. `untold`: cut in mid-answer, or usage not told. */
  readonly ends?: 'free' | 'untold'
}

const weirHeaders = ({ user, session, properties }: Caller): Record<string, string> => ({
  'weir-user-id': user,
  ...(session === undefined
    ? {}
    : { 'weir-session-id': session.id, 'weir-session-name': session.name, 'weir-session-path': session.path }),
  ...Object.fromEntries(Object.entries(properties).map(([key, value]) => [`weir-property-${key}`, value])),
})

const fakeHeader = ({ input, output, cached, written }: Quantities, pace: string, more = ''): string =>
  [`input=${input}`, `output=${output}`, cached ? `cached=${cached}` : '', written ? `written=${written}` : '', pace, more]
    .filter((item) => item !== '')
    .join(';')

interface Plan {
  readonly path: string
  readonly auth: Readonly<Record<string, string>>
  readonly model: string
  readonly body: unknown
  readonly caller: Caller
  readonly quantities: Quantities
  /** `delay=...;gap=...` of x-fake. */
  readonly pace: string
  readonly ending?: Ending
}

const planned = ({ path, auth, model, body, caller, quantities, pace, ending = {} }: Plan): PlannedCall => {
  const leaves = ending.leaves === true
  return {
    path,
    headers: {
      'content-type': 'application/json',
      ...auth,
      ...weirHeaders(caller),
      'x-fake': fakeHeader(quantities, pace, ending.fake),
    },
    body,
    leaves,
    expectedPico: leaves || ending.ends === 'untold' ? null : ending.ends === 'free' ? 0n : expectedPico(model, quantities),
  }
}

type Of = Omit<Plan, 'path' | 'auth' | 'body'> & { readonly body: Readonly<Record<string, unknown>> }

const bearer = { authorization: 'Bearer sk-demo' }

export const openAiChat = (plan: Of): PlannedCall =>
  planned({ ...plan, path: '/openai/v1/chat/completions', auth: bearer, body: { model: plan.model, ...plan.body } })

export const openAiResponse = (plan: Of): PlannedCall =>
  planned({ ...plan, path: '/openai/v1/responses', auth: bearer, body: { model: plan.model, ...plan.body } })

export const openAiEmbedding = (plan: Of): PlannedCall =>
  planned({ ...plan, path: '/openai/v1/embeddings', auth: bearer, body: { model: plan.model, ...plan.body } })

export const anthropicMessage = (plan: Of): PlannedCall =>
  planned({
    ...plan,
    path: '/anthropic/v1/messages',
    auth: { 'x-api-key': 'demo', 'anthropic-version': '2023-06-01' },
    body: { model: plan.model, max_tokens: 4096, ...plan.body },
  })

export const geminiContent = (plan: Of & { readonly streams: boolean }): PlannedCall =>
  planned({
    ...plan,
    path: `/gemini/v1beta/models/${plan.model}:${plan.streams ? 'streamGenerateContent?alt=sse' : 'generateContent'}`,
    auth: { 'x-goog-api-key': 'demo' },
    body: plan.body,
  })
