import { Agent } from 'node:http'
import type { FakeProvider, Seen } from '../../cli/fake-provider/server.js'
import { forms, readError, type Form } from '../support/families.js'
import { randomFrom } from '../support/random.js'
import { send } from '../support/send.js'
import { list, usd } from '../support/usd.js'
import type { ClientCall, UpstreamCall } from './check.js'

export interface Load {
  /** Stops issuing; resolves when every call has its end. */
  stop(): Promise<void>
  client(): readonly ClientCall[]
  /** In the order in which they came. */
  upstream(): readonly UpstreamCall[]
  /** From now on the upstream does this to every fifth call; `null` = no more. */
  trouble(fault: UpstreamFault | null): void
  /** The link to the upstream is broken, or whole again: calls that run meanwhile are marked. */
  linkIs(state: 'broken' | 'whole'): void
}

/** Of reliability.md §4, those that need no other upstream. */
export const upstreamFaults = [
  'status=500',
  'status=429;retry-after=1',
  'reset',
  'close',
  'cut=120',
  'fin=120',
  'html',
  'hang',
  'stall=120',
] as const
export type UpstreamFault = (typeof upstreamFaults)[number]

interface Options {
  /** Of several, calls go round. */
  readonly proxy: string | readonly string[]
  readonly fake: FakeProvider
  readonly perSecond: number
  readonly seed: number
  /** Sent with each call. */
  readonly headers?: Readonly<Record<string, string>>
  /** `simple` (the default): one target each. `all`: some ask the cache, some have a second target, some are tried again. */
  readonly kinds?: 'simple' | 'all'
}

const troubled = 5
/** A machine that stood still so long may have made others give up: the fake provider is in this process. */
const standstillMs = 1000
/** Calls that ask the same, one after the other, and how many of them there are of each kind, in a hundred. */
const twins = 4
const share = { cached: 10, failover: 10, retried: 5 } as const
const second = 'gpt-5-nano'
const alwaysFailing = 'status=500'

const faultOf = (told: string): Pick<UpstreamCall, 'fault'> =>
  /(?:^|;)(?:status=|html)/.test(told)
    ? { fault: 'status' }
    : /(?:^|;)(?:reset|close|hang|cut=|fin=|stall=)/.test(told)
      ? { fault: 'broken' }
      : {}

const toldIn = (fake: string, key: string): number => Number(new RegExp(`(?:^|;)${key}=(\\d+)`).exec(fake)?.[1] ?? 0)

const costOf = (model: string, input: number, output: number): string => {
  const price = list[model as 'gpt-5-mini' | 'gpt-5-nano' | 'claude-haiku-4-5' | 'gemini-2.5-flash']
  return usd([input, price.input], [output, price.output])
}

/** Code of the error event of ours behind what came of a stream. */
const eventIn = ({ stream, family }: Form, bytes: Buffer): string => {
  const data = stream
    ? /(?:^|\n)data: (\{.*\})\s*$/.exec(bytes.toString('utf8', Math.max(0, bytes.length - 4000)))?.[1]
    : undefined
  if (data?.includes('"error"') !== true) return ''
  try {
    return readError(family, data).code
  } catch {
    return ''
  }
}

/** What one call is to be, by its number and the seed alone. */
interface Plan {
  readonly form: Form
  readonly fake: string
  readonly delayMs: number
  readonly question: string
  readonly headers: Readonly<Record<string, string>>
  readonly leaves: boolean
}

/**
 * Calls of the three families at a steady rate, half of them streams, each with usage of its own; a few clients leave early. Keeps
 * both histories: what each client saw, and what the upstream had and sent.
 */
export const startLoad = ({ proxy, fake, perSecond, seed, headers = {}, kinds = 'simple' }: Options): Load => {
  const proxies = typeof proxy === 'string' ? [proxy] : proxy
  const next = randomFrom(seed)
  const agent = new Agent({ keepAlive: true, maxSockets: Infinity })
  const prefix = `c${seed}-`
  const calls: ClientCall[] = []
  const open = new Set<Promise<void>>()
  /** Requests that have no end yet, and those that have, as they are compared. */
  const running = new Map<Seen, string>()
  const known = new WeakSet<Seen>()
  const over = new WeakSet<Seen>()
  const ended: (UpstreamCall & { readonly at: number })[] = []
  let trouble: UpstreamFault | null = null
  let issued = 0
  let asked = 0
  let twin: Plan | null = null
  let brokenLink = false
  /** Calls that run, and whether the link was broken meanwhile. */
  const onLink = new Set<{ broken: boolean }>()

  const compared = (one: Seen, mark: string): (typeof ended)[number] => {
    const told = String(one.headers['x-fake'])
    const [input, output] = [toldIn(told, 'input'), toldIn(told, 'output')]
    const model = /"model":"([^"]+)"/.exec(one.body)?.[1] ?? /\/models\/([^/:]+):/.exec(one.path)?.[1] ?? ''
    return {
      at: one.at,
      mark,
      model,
      sentSha256: one.aborted || one.sent === null ? null : one.sent.sha256,
      status: one.sent?.status ?? 0,
      inputTokens: input,
      outputTokens: output,
      cost: costOf(model, input, output),
      ...faultOf(told),
    }
  }
  // The fake provider keeps its last 1,000 requests. Of those that are over, only what is compared is kept.
  const harvest = (): void => {
    for (const one of fake.seen) {
      const mark = one.headers['x-mark']
      if (known.has(one) || typeof mark !== 'string' || !mark.startsWith(prefix)) continue
      known.add(one)
      running.set(one, mark)
    }
    for (const [one, mark] of running) {
      if (!one.aborted && one.sent === null) continue
      // A connection may still break after the last write.
      if (!over.has(one)) over.add(one)
      else {
        running.delete(one)
        ended.push(compared(one, mark))
      }
    }
  }

  const plan = (mark: string): Plan => {
    const form = forms[issued % forms.length] as Form
    const usage = `input=${100 + Math.floor(next() * 1900)};output=${10 + Math.floor(next() * 490)}`
    const delayMs = form.stream ? 0 : Math.floor(next() * 60)
    const pace = form.stream ? 'chunks=10;gap=15' : `delay=${delayMs}`
    const leaves = next() < 0.03
    const fault = trouble !== null && issued % troubled === 0 ? trouble : ''
    // Nobody waits minutes for an upstream that says nothing.
    const patience = /hang|stall/.test(fault) ? { 'weir-timeout': 'ttft=1500, idle=1500' } : {}
    const simple = { form, fake: `${usage};${pace};${fault}`, delayMs, leaves, question: '', headers: patience }
    if (kinds === 'simple') return simple
    const kind = next() * 100
    if (kind < share.cached) {
      const question = `${prefix}q${Math.floor(asked / twins)}`
      if (asked++ % twins === 0 || twin === null)
        twin = { ...simple, question, headers: { ...patience, 'weir-cache-enabled': 'true' } }
      return { ...twin, leaves }
    }
    if (kind < share.cached + share.failover && form.family === 'openai') {
      const target = (model: string, told: string): unknown => ({
        target: `openai/${model}`,
        headers: { 'x-mark': mark, 'x-fake': told, authorization: 'Bearer k' },
      })
      const first = `${usage};${pace};${fault === '' ? alwaysFailing : fault}`
      const fallbacks = JSON.stringify([target(form.model, first), target(second, `${usage};${pace}`)])
      return { ...simple, headers: { ...patience, 'weir-fallbacks': fallbacks } }
    }
    if (kind < share.cached + share.failover + share.retried)
      return {
        ...simple,
        headers: { ...patience, 'weir-retry-enabled': 'true', 'weir-retry-num': '2', 'weir-retry-min-timeout': '50' },
      }
    return simple
  }

  const call = async (): Promise<void> => {
    const mark = `${prefix}${++issued}`
    const { form, fake: told, delayMs, question, headers: own, leaves } = plan(mark)
    // Each proxy gets calls of every form.
    const base = proxies[Math.floor(issued / forms.length) % proxies.length] ?? ''
    const link = { broken: brokenLink }
    onLink.add(link)
    const startedAt = performance.now()
    let firstAt: number | null = null
    // Node may call an answer whole of which the rest had come when its client left.
    let left = false
    const sent = send(`${base}/${form.provider}${form.path}`, {
      agent,
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer k',
        'x-mark': mark,
        'weir-property-mark': mark,
        'x-fake': told,
        ...headers,
        ...own,
      },
      body: form.body(`Question ${question === '' ? mark : question}`),
      onData: (_soFar, abort) => {
        firstAt ??= performance.now()
        if (!leaves || !form.stream) return
        left = true
        abort()
      },
    })
    const facts = { mark, question, startedAt }
    const noHead = { ...facts, status: 0, id: '', refusal: '', sha256: '', addedMs: null }
    const made = await sent.then(
      ({ status, id, end, headers: answered, sha256, bytes }): ClientCall => ({
        ...facts,
        status,
        id,
        sha256,
        refusal: String(answered['weir-error'] ?? ''),
        event: end === 'clean' && !left ? eventIn(form, bytes) : '',
        cache: String(answered['weir-cache'] ?? ''),
        addedMs: firstAt === null ? null : firstAt - startedAt - delayMs,
        end: left ? 'left' : end === 'clean' ? 'whole' : 'cut',
      }),
      (cause: NodeJS.ErrnoException): ClientCall => ({ ...noHead, end: cause.code === 'ECONNREFUSED' ? 'unconnected' : 'cut' }),
    )
    onLink.delete(link)
    calls.push(link.broken ? { ...made, onBrokenLink: true } : made)
  }

  const issue = (): void => {
    const made = call().finally(() => open.delete(made))
    open.add(made)
  }
  // Timers come late on a busy machine: what is due is issued, so that the rate holds.
  const startedAt = performance.now()
  let tickedAt = startedAt
  const issuing = setInterval(() => {
    if (performance.now() - tickedAt > standstillMs) for (const link of onLink) link.broken = true
    tickedAt = performance.now()
    const due = Math.floor(((performance.now() - startedAt) / 1000) * perSecond)
    for (let n = Math.min(due - issued, Math.ceil(perSecond / 4)); n > 0; n--) issue()
  }, 10)
  const harvesting = setInterval(harvest, 200)

  return {
    async stop() {
      clearInterval(issuing)
      await Promise.all(open)
      clearInterval(harvesting)
      harvest()
      agent.destroy()
    },
    client: () => calls,
    upstream: () => [...ended, ...[...running].map(([one, mark]) => compared(one, mark))].sort((a, b) => a.at - b.at),
    trouble(fault) {
      trouble = fault
    },
    linkIs(state) {
      brokenLink = state === 'broken'
      if (brokenLink) for (const link of onLink) link.broken = true
    },
  }
}
