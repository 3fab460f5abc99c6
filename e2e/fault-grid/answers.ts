/** A whole answer in OpenAI's form. */
export interface Saying {
  readonly type: string
  /** Events of a stream; of a plain answer its one body. */
  readonly parts: readonly Buffer[]
  readonly whole: Buffer
}

interface Tokens {
  readonly input: number
  readonly output: number
}
/** What A and B tell of their usage, and what a million of such tokens costs at each (the house's weir.yaml says so). */
export const told = {
  A: { input: 11, output: 7, priceIn: '1.00', priceOut: '2.00', costUsd: '0.000025' },
  B: { input: 13, output: 5, priceIn: '3.00', priceOut: '4.00', costUsd: '0.000059' },
} as const

const event = (value: unknown): Buffer => Buffer.from(`data: ${JSON.stringify(value)}\n\n`)
const usageOf = ({ input, output }: Tokens): unknown => ({
  prompt_tokens: input,
  completion_tokens: output,
  total_tokens: input + output,
})

/** Of the events of a stream: the one that only opens it, those of its text, and the three that end it. */
export const openingEvents = 1
export const closingEvents = 3

/** An answer of A or B: `id` stands in every part of it, so that no two of them are mistaken for each other. */
export const sayingOf = (who: 'A' | 'B', stream: boolean, id: string, text: readonly string[] = words): Saying => {
  const head = { id, object: stream ? 'chat.completion.chunk' : 'chat.completion', created: 1_790_000_000, model: 'gpt-5-mini' }
  if (!stream) {
    const message = { role: 'assistant', content: text.join('') }
    const body = { ...head, choices: [{ index: 0, message, finish_reason: 'stop' }], usage: usageOf(told[who]) }
    const whole = Buffer.from(JSON.stringify(body))
    return { type: 'application/json', parts: [whole], whole }
  }
  const delta = (content: object, finish: string | null = null): Buffer =>
    event({ ...head, choices: [{ index: 0, delta: content, finish_reason: finish }] })
  const parts = [
    delta({ role: 'assistant', content: '' }),
    ...text.map((content) => delta({ content })),
    delta({}, 'stop'),
    event({ ...head, choices: [], usage: usageOf(told[who]) }),
    Buffer.from('data: [DONE]\n\n'),
  ]
  return { type: 'text/event-stream', parts, whole: Buffer.concat(parts) }
}
const words: readonly string[] = ['All ', 'of ', 'it ', 'is ', 'here ', '✓.']

/** More than is held of a plain answer before it goes to the client (routing.md §4: 256 KiB). */
export const longText: readonly string[] = ['All of it is here. '.repeat(20_000)]

const serverError = { error: { message: 'The server had an error.', type: 'server_error', param: null, code: 'server_error' } }
export const errorBytes = (stream: boolean): Buffer => (stream ? event(serverError) : Buffer.from(JSON.stringify(serverError)))

/** A plain answer that says all it has to say, and then an error. */
export const withErrorAtTheEnd = (body: Buffer): Buffer =>
  Buffer.from(`${body.toString().slice(0, -1)},${JSON.stringify(serverError).slice(1)}`)
