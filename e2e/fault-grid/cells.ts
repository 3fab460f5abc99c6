import { performance } from 'node:perf_hooks'
import { send } from '../support/send.js'
import { until } from '../support/wait.js'
import { readError } from '../support/families.js'
import { sayingOf } from './answers.js'
import { callOnce, Progress, type Received } from './caller.js'
import type { Certificates } from './certificates.js'
import { faults, type Place, type Situation, type Variant } from './faults.js'
import { openUpstream, type Upstream } from './upstream.js'

/** One fault in one of its situations. */
export interface Cell {
  readonly fault: number
  readonly situation: Situation
  readonly forms: readonly Form[]
}

/** One form of a fault with the upstream that has it. */
export interface Form {
  /** Name of its provider in weir.yaml. */
  readonly provider: string
  readonly variant: Variant
  /** Where it is for the proxy. */
  readonly origin: string
  readonly upstream: Upstream
  readonly progress: Progress
}

const both = [false, true]
/** In the order of the table's columns. */
export const situations: readonly Situation[] = both.flatMap((stream) =>
  both.flatMap((cached) => both.map((failover) => ({ stream, cached, failover }))),
)

export const nameOf = ({ stream, cached, failover }: Situation): string =>
  `${stream ? 'stream' : 'plain'}${cached ? ', cache' : ''}${failover ? ', failover' : ''}`

const originOf = (place: Place | undefined, upstream: Upstream, provider: string): string => {
  const port = new URL(upstream.origin).port
  if (place === 'refuses') return 'http://127.0.0.1:1'
  if (place === 'no-name') return `http://${provider}.none.grid.test:${port}`
  if (place === 'slow-name') return `http://${provider}.slow.grid.test:${port}`
  return place === 'says-nothing' ? `https://127.0.0.1:${port}` : upstream.origin
}

/** Every cell, each form of it with an upstream of its own. */
export const openCells = async (certificates: Certificates): Promise<readonly Cell[]> => {
  const tlsOf = { 'self-signed': certificates.selfSigned, 'other-host': certificates.otherHost, tls: certificates.good } as const
  const cells: Cell[] = []
  for (const [index, { variants }] of faults.entries())
    for (const [column, situation] of situations.entries()) {
      const forms: Form[] = []
      for (const [n, variant] of variants(situation).entries()) {
        const { place } = variant
        const provider = `f${index + 1}-${column}-${n}`
        const progress = new Progress()
        const upstream = await openUpstream({
          tls: place !== undefined && place in tlsOf ? tlsOf[place as keyof typeof tlsOf] : undefined,
          client: progress,
          script: place === 'says-nothing' ? null : (variant.script ?? (() => undefined)),
        })
        forms.push({ provider, variant, origin: originOf(place, upstream, provider), upstream, progress })
      }
      cells.push({ fault: index + 1, situation, forms })
    }
  return cells
}

/** What a client saw of one call, told apart by whose bytes they are. */
export interface Seen {
  readonly id: string
  readonly status: number
  readonly end: 'clean' | 'broken' | 'event'
  readonly bytes: 'A' | 'B' | 'ours' | 'something else'
  /** Of our error, or of our event behind A's bytes. */
  readonly code: string | undefined
  readonly cache: string | undefined
  readonly interim: number
  readonly headers: Received['headers']
  /** Of the answer without an event of ours. */
  readonly relayed: Buffer
}

/** Everything that was seen of one form of a fault. */
export interface Outcome {
  readonly first: Seen
  /** The same once more, where the cache is on. */
  readonly again: Seen | null
  /** Another call of the same caller. */
  readonly after: Seen | null
  /** Ids of all calls, for the rows. */
  readonly ids: readonly string[]
  /** Requests that A had had when the same was asked again, and afterwards. */
  readonly askedOfA: readonly [number, number]
  readonly healthy: boolean
  readonly doneAt: number
}

const bWhole = { plain: sayingOf('B', false, 'b').whole, stream: sayingOf('B', true, 'b').whole }

const codeIn = (text: string): string | undefined => {
  try {
    const { code, hasMessage } = readError('openai', text)
    return hasMessage ? code : undefined
  } catch {
    return undefined
  }
}

const seen = (received: Received, said: Buffer, stream: boolean): Seen => {
  const { id, status, end, bytes, headers, interim } = received
  const facts = { id, status, interim, headers, cache: headers['weir-cache'] as string | undefined }
  if (bytes.equals(stream ? bWhole.stream : bWhole.plain)) return { ...facts, end, bytes: 'B', code: undefined, relayed: bytes }
  if (said.length > 0 && bytes.equals(said)) return { ...facts, end, bytes: 'A', code: undefined, relayed: bytes }
  if (said.length > 0 && bytes.length > said.length && bytes.subarray(0, said.length).equals(said)) {
    const event = /^data: (\{.*\})\n\n$/.exec(bytes.subarray(said.length).toString())?.[1]
    const code = event === undefined ? undefined : codeIn(event)
    if (code !== undefined && end === 'clean') return { ...facts, end: 'event', bytes: 'A', code, relayed: said }
  }
  const code = codeIn(bytes.toString('utf8', 0, 10_000))
  return { ...facts, end, bytes: code === undefined ? 'something else' : 'ours', code, relayed: bytes }
}

/** One of ours names its code in a header, too. */
const isOurs = ({ headers, code }: Seen): boolean => headers['weir-error'] === code

/** Meets one form of a fault: the call, the same again where answers are kept, and what belongs to it. */
export const meet = async (house: { readonly proxy: string }, { situation }: Cell, form: Form): Promise<Outcome> => {
  const { stream, cached, failover } = situation
  const { provider, variant, upstream, progress } = form
  const ids: string[] = []
  const call = async (content: string): Promise<Seen> => {
    const received = await callOnce(`${house.proxy}/${provider}/v1/chat/completions`, {
      headers: {
        authorization: `Bearer key-of-${provider}`,
        ...(failover ? { 'weir-fallback': 'b/m-two' } : {}),
        ...(cached ? { 'weir-cache-enabled': 'true' } : {}),
        // Where it is off, time-outs are those of weir.yaml.
        ...(cached && variant.timed === true ? { 'weir-timeout': 'connect=1500, ttft=3000, idle=1500' } : {}),
      },
      body: JSON.stringify({
        model: 'gpt-5-mini',
        messages: [{ role: 'user', content }],
        ...(stream ? { stream, stream_options: { include_usage: true } } : {}),
      }),
      progress,
    })
    ids.push(received.id)
    const made = seen(received, upstream.answers.at(-1)?.said ?? Buffer.alloc(0), stream)
    return made.bytes === 'ours' && !isOurs(made) ? { ...made, bytes: 'something else' } : made
  }
  const prompt = `What of ${provider}?`
  if (variant.also === 'before') await call('Are you there?')
  const first = await call(prompt)
  const askedBefore = upstream.answers.length
  const again = cached ? await call(prompt) : null
  const askedAfter = upstream.answers.length
  let after: Seen | null = null
  if (variant.also === 'after') {
    // It must not be used again, however late the bytes come that make it unusable.
    await until('the connection to be closed', () => upstream.answers[0]?.socket.destroyed === true)
    after = await call('And what else?')
  }
  const healthy = (await send(`${house.proxy}/healthz`, { method: 'GET' })).status === 200
  return { first, again, after, ids, askedOfA: [askedBefore, askedAfter], healthy, doneAt: performance.now() }
}
