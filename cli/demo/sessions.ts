import { randomFrom } from '../fake-provider/text.js'
import type { Caller, Ending, PlannedCall } from './call.js'
import { anthropicMessage, geminiContent, openAiChat, openAiEmbedding, openAiResponse } from './call.js'
import type { Quantities } from './prices.js'

/** Sends one call; resolves with the parsed JSON answer, or `null` when it streamed, failed or was left. */
export type Ask = (call: PlannedCall) => Promise<Readonly<Record<string, unknown>> | null>

/** The calls of one piece of work, one after the other. */
export type Session = (ask: Ask) => Promise<void>

interface Person {
  readonly user: string
  readonly team: string
  readonly plan: string
}
const people: readonly Person[] = [
  { user: 'ada@acme.example', team: 'support', plan: 'enterprise' },
  { user: 'grace@acme.example', team: 'support', plan: 'enterprise' },
  { user: 'alan@acme.example', team: 'research', plan: 'enterprise' },
  { user: 'barbara@bolt.example', team: 'platform', plan: 'pro' },
  { user: 'edsger@bolt.example', team: 'platform', plan: 'pro' },
  { user: 'katherine@orbit.example', team: 'research', plan: 'pro' },
  { user: 'linus@kern.example', team: 'platform', plan: 'free' },
  { user: 'margaret@kern.example', team: 'growth', plan: 'free' },
]

const questions = [
  'My invoice of March shows the delivery twice. Can you correct it?',
  'How do I move a workspace to another region?',
  'The export stops at 10,000 rows. Is that a limit or a fault?',
  'Wann kommt die Lieferung vom 3. Mai an? Die Nummer ist A-1187.',
  'Please change the billing address to 12 Weir Lane, Bath.',
  'Why does the webhook answer 409 for some events only?',
]
const topics = [
  'battery recycling in the EU',
  'heat pumps in old buildings',
  'open-source licences in products',
  'tidal power',
  'rail freight',
]
const documents = [
  'the minutes of the board meeting',
  'the incident report of 12 November',
  'the tender for the depot',
  'the lease of the second floor',
]

/** Everything a session needs that chance decides. */
class Dice {
  constructor(private readonly next: () => number) {}
  pick<T>(items: readonly T[]): T {
    return items[Math.floor(this.next() * items.length)] as T
  }
  between(low: number, high: number): number {
    return Math.floor(low + this.next() * (high - low + 1))
  }
  chance(share: number): boolean {
    return this.next() < share
  }
  /** Head and gaps of an answer, in milliseconds. */
  pace(head: number, gap: number): string {
    return `delay=${this.between(head / 2, head * 1.5)};gap=${this.between(gap / 2, gap * 1.5)};chunks=${this.between(6, 24)}`
  }
}

interface Frame {
  readonly dice: Dice
  readonly id: string
}

const callerOf = (person: Person, feature: string, session?: Caller['session']): Caller => ({
  user: person.user,
  properties: { feature, team: person.team, plan: person.plan, environment: 'production' },
  ...(session === undefined ? {} : { session }),
})

/** How calls of a busy day end badly: seldom, and in every way. */
const mishap = (dice: Dice, streams: boolean): Ending => {
  const roll = dice.between(1, 100)
  if (roll <= 3) return { fake: 'status=429;retry-after=1', ends: 'free' }
  if (roll <= 5) return { fake: 'status=500', ends: 'free' }
  if (roll <= 6) return { fake: 'status=401', ends: 'free' }
  if (streams && roll <= 9) return { leaves: true }
  if (streams && roll <= 10) return { fake: 'error-event=last', ends: 'untold' }
  return {}
}

/** A person asks, reads, asks again: one conversation that grows, the prompt's beginning cached from the second turn on. */
const support = ({ dice, id }: Frame): Session => {
  const person = dice.pick(people)
  const model = dice.pick(['gpt-5-mini', 'gpt-5-mini', 'gpt-4.1-mini'])
  const turns = dice.between(1, 4)
  // Clients that do not ask for usage are common; where nobody tells it, Weir estimates.
  const tells = dice.chance(0.9)
  return async (ask) => {
    const messages: { role: string; content: string }[] = [
      { role: 'system', content: 'You answer customers of Acme, briefly and kindly.' },
    ]
    let input = dice.between(600, 1400)
    for (let turn = 1; turn <= turns; turn++) {
      messages.push({ role: 'user', content: dice.pick(questions) })
      const quantities: Quantities = {
        input,
        output: dice.between(60, 320),
        ...(turn > 1 ? { cached: Math.floor((input * 0.8) / 128) * 128 } : {}),
      }
      await ask(
        openAiChat({
          model,
          body: { messages: [...messages], stream: true, ...(tells ? { stream_options: { include_usage: true } } : {}) },
          caller: callerOf(person, 'support-chat', { id, name: 'Support chat', path: `/turn-${turn}` }),
          quantities,
          pace: dice.pace(350, 25),
          ending: { ...(tells ? {} : { ends: 'untold' }), ...mishap(dice, true) },
        }),
      )
      messages.push({ role: 'assistant', content: 'I looked into it; the correction is on its way.' })
      input += quantities.output + dice.between(30, 120)
    }
  }
}

const searchTool = {
  name: 'search',
  description: 'Searches the library.',
  input_schema: { type: 'object', properties: { query: { type: 'string' }, limit: { type: 'integer' } }, required: ['query'] },
}

/** An agent: a plan, some rounds of tool use with a cached prompt, a report; a tree of paths in one session. */
const research = ({ dice, id }: Frame): Session => {
  const person = dice.pick(people.filter(({ plan }) => plan !== 'free'))
  const topic = dice.pick(topics)
  const rounds = dice.between(2, 5)
  return async (ask) => {
    const name = `Report: ${topic}`
    const at = (path: string): Caller => callerOf(person, 'research-agent', { id, name, path })
    const system = [{ type: 'text', text: `You research ${topic} and cite what you use.`, cache_control: { type: 'ephemeral' } }]
    await ask(
      anthropicMessage({
        model: 'claude-haiku-4-5',
        body: { messages: [{ role: 'user', content: `Plan a report on ${topic} in five steps.` }] },
        caller: at('/plan'),
        quantities: { input: dice.between(300, 700), output: dice.between(150, 400) },
        pace: dice.pace(500, 20),
        ending: mishap(dice, false),
      }),
    )
    const messages: unknown[] = [{ role: 'user', content: `Write the report on ${topic}. Search first.` }]
    const written = dice.between(2000, 6000)
    for (let round = 1; round <= rounds; round++) {
      const grown = dice.between(400, 1800) * round
      const answer = await ask(
        anthropicMessage({
          model: 'claude-sonnet-4-6',
          body: { system, tools: [searchTool], messages: [...messages] },
          caller: at(`/research/search-${round}`),
          quantities: {
            input: written + grown,
            output: dice.between(80, 260),
            ...(round === 1 ? { written } : { cached: written }),
          },
          pace: dice.pace(900, 30),
          ending: { fake: 'tools=1' },
        }),
      )
      const content = answer?.content
      if (!Array.isArray(content)) continue
      const uses = (content as { type: string; id: string }[]).filter(({ type }) => type === 'tool_use')
      messages.push(
        { role: 'assistant', content },
        {
          role: 'user',
          content: uses.map((use) => ({ type: 'tool_result', tool_use_id: use.id, content: `Three papers on ${topic}.` })),
        },
      )
    }
    await ask(
      anthropicMessage({
        model: 'claude-sonnet-4-6',
        body: { system, messages: [...messages, { role: 'user', content: 'Now write it.' }], stream: true },
        caller: at('/write'),
        quantities: { input: written + 2200 * rounds, output: dice.between(900, 2400), cached: written },
        pace: dice.pace(1100, 40),
        ending: mishap(dice, true),
      }),
    )
  }
}

/** A nightly job sums up documents with Gemini, streamed or whole. */
const summaries = ({ dice, id }: Frame): Session => {
  const person = dice.pick(people)
  const model = dice.chance(0.8) ? 'gemini-2.5-flash' : 'gemini-2.5-pro'
  return async (ask) => {
    for (let n = 1; n <= dice.between(1, 3); n++) {
      const streams = dice.chance(0.6)
      await ask(
        geminiContent({
          model,
          streams,
          body: { contents: [{ role: 'user', parts: [{ text: `Sum up ${dice.pick(documents)} in three sentences.` }] }] },
          caller: callerOf(person, 'summaries', { id, name: 'Summaries', path: `/document-${n}` }),
          quantities: { input: dice.between(2000, 9000), output: dice.between(120, 400) },
          pace: dice.pace(600, 30),
          ending: mishap(dice, streams),
        }),
      )
    }
  }
}

/** New documents are indexed: embeddings, no session. */
const indexing = ({ dice }: Frame): Session => {
  const person = dice.pick(people)
  return async (ask) => {
    await ask(
      openAiEmbedding({
        model: 'text-embedding-3-small',
        body: {
          input: [dice.pick(documents), dice.pick(documents), dice.pick(questions)],
          encoding_format: 'base64',
          dimensions: 256,
        },
        caller: callerOf(person, 'search-index'),
        quantities: { input: dice.between(800, 8000), output: 0 },
        pace: `delay=${dice.between(40, 160)}`,
        ending: mishap(dice, false),
      }),
    )
  }
}

/** A code review by a reasoning model over the Responses API. */
const review = ({ dice, id }: Frame): Session => {
  const person = dice.pick(people.filter(({ team }) => team === 'platform'))
  return async (ask) => {
    const streams = dice.chance(0.5)
    const reasoning = dice.between(200, 1600)
    await ask(
      openAiResponse({
        model: 'gpt-5',
        body: {
          input: 'Review this change: it renames a column and drops an index.',
          reasoning: { effort: 'medium' },
          stream: streams,
        },
        caller: callerOf(person, 'code-review', { id, name: 'Review', path: '/review' }),
        quantities: { input: dice.between(1500, 12_000), output: reasoning + dice.between(200, 700) },
        pace: dice.pace(1400, 35),
        ending: { fake: `reasoning=${reasoning}`, ...besides(mishap(dice, streams), reasoning) },
      }),
    )
  }
}

/** A mishap keeps the reasoning figure beside its own fault. */
const besides = (ending: Ending, reasoning: number): Ending =>
  ending.fake === undefined ? ending : { ...ending, fake: `${ending.fake};reasoning=${reasoning}` }

const kinds: readonly (readonly [weight: number, make: (frame: Frame) => Session])[] = [
  [40, support],
  [20, research],
  [18, summaries],
  [12, indexing],
  [10, review],
]

/**
 * Sessions without end, the same for the same seed.
 *
 * @param run Goes into session ids, so that two runs over one store do not mix.
 */
export const sessions = function* (seed: string, run: string): Generator<Session> {
  for (let n = 1; ; n++) {
    const next = randomFrom(`${seed}:${n}`)
    const dice = new Dice(next)
    let roll = dice.between(1, 100)
    const [, make] = kinds.find(([weight]) => (roll -= weight) <= 0) ?? [0, support]
    yield make({ dice, id: `${run}-${String(n).padStart(5, '0')}` })
  }
}
