import type { Cause, Health } from '../web/api/contract.js'

export interface ProxyFacts {
  readonly causes: readonly Cause[]
  /** Without the lag, which ingest knows; `null` when the proxy does not answer. */
  readonly journal: Omit<NonNullable<Health['journal']>, 'lagBytes'> | null
}

const advice: Readonly<Record<string, string>> = {
  journal_full: 'Make room on the disk of WEIR_DATA, or raise journal.limit; calls go on meanwhile, but leave no row.',
  journal_high: 'Look at what holds ingest or an export back; past the limit calls leave no row.',
  store_unreachable:
    'Start Redis again, or correct REDIS_URL; `weir doctor` looks at it. It is used again as soon as it answers.',
  saturated: 'Raise the limit of open files (ulimit -n), or ceilings.inFlight.',
  draining: 'Nothing: it is about to stop because it was asked to.',
}

interface Readyz {
  readonly causes?: readonly { readonly cause: string; readonly detail: string }[]
  readonly journal?: { readonly bytes: number; readonly limitBytes: number; readonly dropped: number }
}

/** What the proxy says of itself on /readyz. Never throws: a proxy that does not answer is a cause, too. */
export const askProxy = async (url: string): Promise<ProxyFacts> => {
  try {
    const answer = await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(1000) })
    const { causes = [], journal } = (await answer.json()) as Readyz
    return {
      causes: causes.map(({ cause, detail }) => ({
        cause,
        effect: detail,
        advice: advice[cause] ?? 'The log of the proxy says more.',
      })),
      journal: journal === undefined ? null : { bytes: journal.bytes, limitBytes: journal.limitBytes, dropped: journal.dropped },
    }
  } catch {
    return {
      causes: [
        {
          cause: 'proxy_unreachable',
          effect: `The proxy does not answer at ${url}: calls fail.`,
          advice: '`weir start` starts it anew by itself; its log says why it ended.',
        },
      ],
      journal: null,
    }
  }
}
