import { Agent } from 'node:http'
import type { FakeProvider, Seen } from '../../cli/fake-provider/server.js'
import { forms } from '../support/families.js'
import { randomFrom } from '../support/random.js'
import { send } from '../support/send.js'
import { list, usd } from '../support/usd.js'
import type { ClientCall, UpstreamCall } from './check.js'

export interface Load {
  /** Stops issuing; resolves when every call has its end. */
  stop(): Promise<void>
  client(): readonly ClientCall[]
  upstream(): readonly UpstreamCall[]
  /** From now on the upstream does this to every fifth call; `null` = no more. */
  trouble(fault: UpstreamFault | null): void
}

/** Of reliability.md §4, those that need no other upstream. */
export const upstreamFaults = ['status=500', 'status=429;retry-after=1', 'reset', 'close', 'cut=120', 'fin=120', 'html'] as const
export type UpstreamFault = (typeof upstreamFaults)[number]

interface Options {
  /** Of several, calls go round. */
  readonly proxy: string | readonly string[]
  readonly fake: FakeProvider
  readonly perSecond: number
  readonly seed: number
  /** Sent with each call. */
  readonly headers?: Readonly<Record<string, string>>
}

const troubled = 5

const faultOf = (told: string): Pick<UpstreamCall, 'fault'> =>
  /(?:^|;)(?:status=|html)/.test(told)
    ? { fault: 'status' }
    : /(?:^|;)(?:reset|close|cut=|fin=)/.test(told)
      ? { fault: 'broken' }
      : {}

const fakeOf = (seen: Seen, key: string): number =>
  Number(new RegExp(`${key}=(\\d+)`).exec(String(seen.headers['x-fake']))?.[1] ?? 0)

const costOf = (model: string, input: number, output: number): string => {
  const price = list[model as 'gpt-5-mini' | 'claude-haiku-4-5' | 'gemini-2.5-flash']
  return usd([input, price.input], [output, price.output])
}

/**
 * Calls of the three families at a steady rate, half of them streams, each with usage of its own; a few clients leave early. Keeps
 * both histories: what each client saw, and what the upstream had and sent.
 */
export const startLoad = ({ proxy, fake, perSecond, seed, headers = {} }: Options): Load => {
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
  const ended: UpstreamCall[] = []
  let trouble: UpstreamFault | null = null
  let issued = 0

  const compared = (one: Seen, mark: string): UpstreamCall => {
    const input = fakeOf(one, 'input')
    const output = fakeOf(one, 'output')
    const form = forms.find(
      ({ path, provider }) => one.path === path || (provider === 'gemini' && one.path.startsWith('/v1beta')),
    )
    return {
      mark,
      sentSha256: one.aborted || one.sent === null ? null : one.sent.sha256,
      status: one.sent?.status ?? 0,
      inputTokens: input,
      outputTokens: output,
      cost: costOf(form?.model ?? '', input, output),
      ...faultOf(String(one.headers['x-fake'])),
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

  const call = async (): Promise<void> => {
    const mark = `${prefix}${++issued}`
    const form = forms[issued % forms.length] as (typeof forms)[number]
    const usage = `input=${100 + Math.floor(next() * 1900)};output=${10 + Math.floor(next() * 490)}`
    const pace = form.stream ? 'chunks=10;gap=15' : `delay=${Math.floor(next() * 60)}`
    const leaves = next() < 0.03
    const fault = trouble !== null && issued % troubled === 0 ? `;${trouble}` : ''
    const sent = send(`${proxies[issued % proxies.length] ?? ''}/${form.provider}${form.path}`, {
      agent,
      headers: {
        'content-type': 'application/json',
        authorization: 'Bearer k',
        'x-mark': mark,
        'weir-property-mark': mark,
        'x-fake': `${usage};${pace}${fault}`,
        ...headers,
      },
      body: form.body(`Question ${mark}`),
      ...(leaves && form.stream ? { onData: (_soFar: Buffer, abort: () => void) => abort() } : {}),
    })
    const noHead = { mark, status: 0, id: '', refusal: '', sha256: '' }
    calls.push(
      await sent.then(
        ({ status, id, end, headers, sha256 }): ClientCall => ({
          mark,
          status,
          id,
          sha256,
          refusal: String(headers['weir-error'] ?? ''),
          end: end === 'clean' ? 'whole' : leaves ? 'left' : 'cut',
        }),
        (cause: NodeJS.ErrnoException): ClientCall => ({ ...noHead, end: cause.code === 'ECONNREFUSED' ? 'unconnected' : 'cut' }),
      ),
    )
  }

  const issue = (): void => {
    const made = call().finally(() => open.delete(made))
    open.add(made)
  }
  // Timers come late on a busy machine: what is due is issued, so that the rate holds.
  const startedAt = performance.now()
  const issuing = setInterval(() => {
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
    upstream: () => [...ended, ...[...running].map(([one, mark]) => compared(one, mark))],
    trouble(fault) {
      trouble = fault
    },
  }
}
