import { secretHider } from './hide-secrets.js'

/** Which process can tell of it. */
export type CauseTeller = 'proxy' | 'ingest' | 'web'

interface CauseRule {
  readonly tellers: readonly CauseTeller[]
  /** What it means, without figures: docs, and whoever may not see more. */
  readonly means: string
  /** What to do. */
  readonly advice: string
  /** It stands in braces behind the word: there may be several. */
  readonly each?: 'destination'
}

/**
 * Everything for which Weir is degraded, in order of weight (reliability.md §9). The words are the same on `/readyz`, `/api/health`, in
 * `weir doctor`, in `weir_degraded{cause}` and in docs/health.md, which is made from this table.
 */
export const healthCauses = {
  draining: {
    tellers: ['proxy'],
    means: 'The process was asked to stop: calls under way end, new ones are refused.',
    advice: 'Nothing: it is about to stop because it was asked to.',
  },
  proxy_unreachable: {
    tellers: ['web'],
    means: 'A proxy does not answer: calls to it fail.',
    advice: '`weir start` starts it anew by itself; its log says why it ended.',
  },
  journal_full: {
    tellers: ['proxy'],
    means: 'Calls go on but leave no row, and are counted; with `journal.full: refuse` they get 503 `journal_unavailable`.',
    advice: 'Make room on the disk of WEIR_DATA, or raise journal.limit; look at what holds ingest or an export back.',
  },
  journal_high: {
    tellers: ['proxy'],
    means: '80 % of the limit of the journal are used: calls are recorded without what was said.',
    advice: 'Look at what holds ingest, Kafka or an export back; past the limit calls leave no row.',
  },
  saturated: {
    tellers: ['proxy'],
    means: 'New calls get 503 `saturated` with `Retry-After`; calls under way go on.',
    advice: 'Add a proxy, or raise the limit of open files (ulimit -n) or ceilings.inFlight where the effect names them.',
  },
  control_stale: {
    tellers: ['proxy'],
    means: 'The control plane sends nothing: keys, limits and targets are as it told them last.',
    advice: 'Start the hub, or `weir web`, again; calls go on meanwhile, with what is known.',
  },
  store_unreachable: {
    tellers: ['proxy'],
    means:
      'Redis does not answer: the cache misses, limits.onStoreError says what limits do, each proxy goes by its own circuits.',
    advice: 'Start Redis again, or correct REDIS_URL; `weir doctor` looks at it. It is used again as soon as it answers.',
  },
  kafka_unreachable: {
    tellers: ['proxy', 'ingest'],
    means: 'Kafka does not answer: calls wait in the journals, and are sent and stored once it does.',
    advice: 'Check KAFKA_BROKERS and kafka in weir.yaml; `weir doctor` looks at both. It goes on by itself.',
  },
  analytics_unreachable: {
    tellers: ['ingest', 'web'],
    means: 'The analytics store takes or gives nothing: calls wait in the log, dashboards do not move.',
    advice: 'Check the disk and CLICKHOUSE_URL. Nothing is lost while the log has room.',
  },
  ingest_failing: {
    tellers: ['ingest'],
    means: 'The log of calls cannot be read, or positions in it cannot be written.',
    advice:
      'Check that WEIR_DATA can be written and has room. Restart Weir where a record is damaged: a segment that nobody writes to is read up to the damage, and what lies behind is kept in journal/damaged/.',
  },
  ingest_unreachable: {
    tellers: ['web'],
    means: 'Ingest does not answer: calls wait in the log, and its lag and trace destinations are not known.',
    advice: 'Start `weir ingest` again, or correct WEIR_INGEST_URL. Nothing is lost while the log has room.',
  },
  export_failing: {
    tellers: ['ingest'],
    means: 'A trace destination takes nothing: its calls wait. Neither the store nor another destination does.',
    advice: 'Check its endpoint and headers under exports: in weir.yaml. It is tried again by itself.',
    each: 'destination',
  },
  dead_letters: {
    tellers: ['proxy', 'ingest'],
    means: 'Events that could not be sent or stored are kept, with the reason.',
    advice: '`weir replay-dlq --dry-run` says why. Once what was wrong is mended, `weir replay-dlq` sends them again.',
  },
} as const satisfies Record<string, CauseRule>

export type CauseName = keyof typeof healthCauses

/** Why Weir is degraded, for people and programs. */
export interface Cause {
  /** A word of the table; of several destinations each by its name: `export_failing{jaeger}`. */
  readonly cause: string
  /** What it means, with figures. */
  readonly effect: string
  /** What to do. */
  readonly advice: string
}

const hide = secretHider([])
const rules: Readonly<Record<string, CauseRule>> = healthCauses

/**
 * A cause as it is told.
 *
 * @param effect What it means just now, in sentences.
 * @param of Which one, where there may be several.
 */
export const causeOf = (name: CauseName, effect: string, of?: string): Cause => ({
  cause: of === undefined ? name : `${name}{${of}}`,
  effect,
  advice: healthCauses[name].advice,
})

/** The word of a cause, and which one of several it is: `export_failing{jaeger}` is both. */
export const wordOf = (cause: string): { readonly word: string; readonly of: string | null } => {
  const brace = cause.indexOf('{')
  return brace < 0 ? { word: cause, of: null } : { word: cause.slice(0, brace), of: cause.slice(brace + 1, -1) }
}

/** For whoever may not see figures and addresses: what the table says of it, and nothing else. */
export const inGeneral = ({ cause }: Cause): Cause => {
  const { word } = wordOf(cause)
  return { cause: word, effect: rules[word]?.means ?? '', advice: rules[word]?.advice ?? '' }
}

/** Words that a process can tell, in the order of the table; of those with several, the word alone. */
export const causesOfTeller = (
  teller: CauseTeller,
): readonly { readonly word: CauseName; readonly each: 'destination' | null }[] =>
  Object.entries(rules).flatMap(([word, { tellers, each }]) =>
    tellers.includes(teller) ? [{ word: word as CauseName, each: each ?? null }] : [],
  )

/** An effect that ends with what somebody else said: one line of it, not endless, nothing that stands where secrets stand. */
export const quoted = (effect: string, said: string | null | undefined): string =>
  `${effect} ${hide(said?.split('\n', 1)[0] ?? '').slice(0, 300)}`.trimEnd()
