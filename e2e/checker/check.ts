/** What one call was to its client. */
export interface ClientCall {
  /** Stands in the prompt, in `x-mark` and in the row's property `mark`; one per call, never used again. */
  readonly mark: string
  /**
   * `whole`: an answer with its end. `cut`: the connection broke, before or inside the answer. `left`: the client itself went away.
   * `unconnected`: no connection could be made.
   */
  readonly end: 'whole' | 'cut' | 'left' | 'unconnected'
  /** 0 without a head. */
  readonly status: number
  /** Weir-Id; empty without a head. */
  readonly id: string
  /** Code of a refusal or failure of ours (`weir-error`); empty when the answer is the upstream's. */
  readonly refusal: string
  readonly sha256: string
  /** Code of an error event of ours behind what came of a stream; empty without one. */
  readonly event?: string
  /** `Weir-Cache`; empty where the cache was not asked. */
  readonly cache?: string
  /** Calls that ask the same may share one answer; empty: it is asked once. */
  readonly question?: string
  /** The link between proxy and upstream was broken while it ran, or one of them stood still: what it came to is nobody's fault. */
  readonly onBrokenLink?: boolean
  /** Milliseconds to the first byte of the answer beyond what the upstream waits on purpose; `null` without one. */
  readonly addedMs?: number | null
  /** By `performance.now()`. */
  readonly startedAt?: number
}

/** What one call was to the upstream. */
export interface UpstreamCall {
  readonly mark: string
  /** Of the whole answer; `null` when it was not sent to its end. */
  readonly sentSha256: string | null
  readonly status: number
  readonly inputTokens: number
  readonly outputTokens: number
  /** What its tokens cost, as decimal text. */
  readonly cost: string
  /** What it did wrong, on purpose: `status` = an error answer, whole; `broken` = no head, or half of an answer. Without: nothing. */
  readonly fault?: 'status' | 'broken'
  /** Which model it was asked for. */
  readonly model?: string
}

/** What was stored of one call. */
export interface StoredCall {
  readonly id: string
  readonly mark: string
  readonly outcome: string
  readonly status: number
  readonly errorCode: string
  readonly attempts: number
  readonly replayed: boolean
  /** Attempts that were sent twice; without: one of them, if `replayed`. */
  readonly replays?: number
  /** Model and status of each attempt, in their order. */
  readonly targets?: readonly (readonly [model: string, status: number])[]
  /** What the attempts cost together; `null` where that of one is not known. */
  readonly attemptsCost?: string | null
  /** `hit`, `miss`, `bypass`; empty where the cache was not asked. */
  readonly cacheStatus?: string
  /** What the answer cost when it was made. */
  readonly saved?: string | null
  readonly inputTokens: number | null
  readonly outputTokens: number | null
  readonly cost: string | null
  readonly responseSha256: string
}

/** The same sums over rows and over a roll-up of them. */
export interface Sums {
  readonly of: string
  readonly calls: number
  readonly cost: string
}

export interface Histories {
  readonly client: readonly ClientCall[]
  readonly upstream: readonly UpstreamCall[]
  /** Read at lag 0. */
  readonly rows: readonly StoredCall[]
  readonly rowSums: Omit<Sums, 'of'>
  readonly rollups: readonly Sums[]
  /** Roll-ups of which a column differs from the rows, in words. */
  readonly otherRollups?: readonly string[]
}

export interface Verdicts {
  readonly issued: number
  readonly finished: number
  readonly upstream: number
  readonly rows: number
  /** One sentence for each fault. */
  readonly lost: readonly string[]
  readonly double: readonly string[]
  readonly wrong: readonly string[]
  /** Died before the start record: no fault. */
  readonly unseen: number
  /** Calls that a killed proxy left open. */
  readonly proxyLost: number
}

const groupBy = <T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> => {
  const groups = new Map<string, T[]>()
  for (const item of items) {
    const found = groups.get(key(item))
    if (found === undefined) groups.set(key(item), [item])
    else found.push(item)
  }
  return groups
}

/** What the upstream answered to a question that was asked several times. */
interface Answers {
  readonly hashes: ReadonlySet<string>
  readonly costs: ReadonlySet<string>
  /** One of them broke off: whoever had it at the same time saw that, too. */
  readonly broken: boolean
}

const answersTo = (client: readonly ClientCall[], upstream: ReadonlyMap<string, readonly UpstreamCall[]>) => {
  const answers = new Map<string, { hashes: Set<string>; costs: Set<string>; broken: boolean }>()
  for (const { mark, question = '' } of client) {
    if (question === '') continue
    const known = answers.get(question) ?? { hashes: new Set<string>(), costs: new Set<string>(), broken: false }
    answers.set(question, known)
    for (const { sentSha256, cost, fault } of upstream.get(mark) ?? []) {
      if (fault === 'broken') known.broken = true
      if (sentSha256 === null || fault !== undefined) continue
      known.hashes.add(sentSha256)
      known.costs.add(cost)
    }
  }
  return answers
}

/** What the row says that neither end saw. */
const faultsOf = (
  row: StoredCall,
  client: ClientCall,
  seen: readonly UpstreamCall[],
  answers: Answers | undefined,
): readonly string[] => {
  const faults: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) faults.push(`${row.id} (${client.mark}): ${what}`)
  }
  const { event = '', onBrokenLink = false } = client
  // The last one that was asked made the answer; where that one could not be reached, one before it may have.
  const upstream = (onBrokenLink ? seen.find(({ sentSha256 }) => sentSha256 === client.sha256) : undefined) ?? seen.at(-1)
  const isHit = row.outcome === 'cached' || row.cacheStatus === 'hit'
  const whole = (): void => {
    must(upstream !== undefined, 'complete, but the upstream never had it')
    if (upstream === undefined) return
    must(row.status === upstream.status, `status ${row.status}, the upstream sent ${upstream.status}`)
    if (upstream.fault === 'status')
      return must(row.inputTokens === null && row.outputTokens === null, 'an error answer that has tokens')
    must(upstream.fault === undefined, 'complete, but the upstream broke off')
    must(
      row.inputTokens === upstream.inputTokens,
      `${String(row.inputTokens)} input tokens, the upstream told ${upstream.inputTokens}`,
    )
    must(
      row.outputTokens === upstream.outputTokens,
      `${String(row.outputTokens)} output tokens, the upstream told ${upstream.outputTokens}`,
    )
    // An attempt that was given up when it may have been at work costs something, too.
    const isAlone = !onBrokenLink && seen.slice(0, -1).every(({ fault }) => fault !== 'broken')
    if (isAlone) must(row.cost === upstream.cost, `cost ${String(row.cost)}, worked out ${upstream.cost}`)
    else must(Number(row.cost) >= Number(upstream.cost), `cost ${String(row.cost)}, the last attempt alone ${upstream.cost}`)
    must(
      row.responseSha256 === upstream.sentSha256,
      `hash ${row.responseSha256}, the upstream sent ${String(upstream.sentSha256)}`,
    )
  }
  const hit = (): void => {
    must(seen.length === 0, `cached, but the upstream had it ${seen.length} times`)
    must(row.status === 200, `cached, with status ${row.status}`)
    must(row.attempts === 0, `cached, after ${row.attempts} attempts`)
    must(row.cost === '0', `cached, for ${String(row.cost)}`)
    must(row.inputTokens === null && row.outputTokens === null, 'cached, but tokens were used')
    must(answers?.costs.has(String(row.saved)) === true, `cached, saved ${String(row.saved)}, no such call cost that`)
    must(answers?.hashes.has(row.responseSha256) === true, `cached, hash ${row.responseSha256} is no answer to the question`)
  }
  const answered = (): void => {
    must(row.outcome === (isHit ? 'cached' : 'complete'), `${row.outcome}, but there was an answer`)
    if (row.outcome === 'cached') hit()
    else if (row.outcome === 'complete') whole()
  }
  const isBroken = upstream?.fault === 'broken' || onBrokenLink || (isHit && answers?.broken === true)
  const brokenOff = (): void => {
    must(['upstream_abort', 'stall'].includes(row.outcome), `${row.outcome}, but the upstream broke off`)
    must(isBroken, `${row.outcome}, but nobody broke off`)
    if (isHit) must(row.cost === '0' && row.attempts === 0, `another's answer that broke off, for ${String(row.cost)}`)
  }

  if (client.id !== '') must(row.id === client.id, `the client was told the id ${client.id}`)
  if (client.cache === 'HIT') must(isHit, `the client was told of a hit, the row says "${row.cacheStatus ?? ''}"`)
  else if (client.status > 0) must(!isHit, 'a hit, but the client was not told')
  if (row.outcome === 'proxy_lost') {
    must(client.end === 'cut' || client.end === 'left', `proxy_lost, but the client's end was ${client.end}`)
    must(row.cost === null, `proxy_lost costs something unknown, not ${String(row.cost)}`)
  } else if (client.end === 'whole' && event !== '') {
    must(row.errorCode === event, `"${row.errorCode}", the client was told ${event}`)
    if (event !== 'draining') brokenOff()
  } else if (client.refusal !== '' && (client.end === 'whole' || (client.end === 'left' && row.outcome !== 'client_abort'))) {
    must(
      ['refused', 'upstream_abort', 'stall'].includes(row.outcome),
      `${row.outcome}, but the client was told ${client.refusal}`,
    )
    must(
      row.status === client.status && row.errorCode === client.refusal,
      `${row.status} ${row.errorCode}, the client saw ${client.status} ${client.refusal}`,
    )
    if (row.outcome !== 'refused' && client.refusal !== 'draining') brokenOff()
  } else if (client.end === 'whole') {
    must(row.status === client.status, `status ${row.status}, the client saw ${client.status}`)
    must(row.responseSha256 === client.sha256, `hash ${row.responseSha256}, the client's is ${client.sha256}`)
    answered()
  } else if (client.end === 'cut') {
    // The end is written before the last byte goes out: a kill between the two leaves a whole row and a client without its end.
    if (isBroken && !['complete', 'cached'].includes(row.outcome)) brokenOff()
    else answered()
  } else if (client.end === 'left') {
    if (row.outcome === 'client_abort') {
      // Before a byte of an answer nothing is owed: docs/accounting.md, `no_answer`.
      if (row.status === 0)
        must(row.cost === '0' && row.inputTokens === null, `no answer had begun, and it cost ${String(row.cost)}`)
      else if (upstream !== undefined && upstream.fault === undefined && !onBrokenLink)
        must(row.cost !== null && row.inputTokens !== null, 'client_abort without what it cost')
    } else if (isBroken && !['complete', 'cached'].includes(row.outcome)) brokenOff()
    else {
      must(['complete', 'cached'].includes(row.outcome), `${row.outcome}, but the client left`)
      if (['complete', 'cached'].includes(row.outcome)) answered()
    }
  } else faults.push(`${row.id} (${client.mark}): a row of a call that never connected`)

  if (row.outcome === 'proxy_lost' || isHit) return faults
  const sends = row.attempts + (row.replays ?? (row.replayed ? 1 : 0))
  const told = `${row.attempts} attempts, ${sends} sends`
  // What goes into a broken link may never arrive.
  if (onBrokenLink) must(seen.length <= sends, `${told}, the upstream had it ${seen.length} times`)
  else if (seen.length > 0) must(sends === seen.length, `${told}, the upstream had it ${seen.length} times`)
  if (row.targets !== undefined && row.attempts === seen.length && !onBrokenLink)
    for (const [n, [model, status]] of row.targets.entries()) {
      const asked = seen[n]
      if (asked?.model === undefined) continue
      must(model === asked.model, `attempt ${n + 1} at ${model}, the upstream was asked for ${asked.model}`)
      // A client that left saw no head, and neither did we.
      if (asked.fault === 'status' || (asked.fault === undefined && row.outcome === 'complete'))
        must(status === asked.status, `attempt ${n + 1} with ${status}, the upstream sent ${asked.status}`)
    }
  if (row.attemptsCost !== undefined && row.outcome === 'complete')
    must(row.attemptsCost === row.cost, `cost ${String(row.cost)}, its attempts ${String(row.attemptsCost)}`)
  return faults
}

/**
 * Compares what the clients saw, what the upstream saw and what is stored (reliability.md §2).
 *
 * @returns Every fault by its verdict; a clean run has none in `lost`, `double` and `wrong`.
 */
export const check = ({ client, upstream, rows, rowSums, rollups, otherRollups = [] }: Histories): Verdicts => {
  const lost: string[] = []
  const double: string[] = []
  const wrong: string[] = []
  let unseen = 0
  const rowsByMark = groupBy(rows, ({ mark }) => mark)
  const upstreamByMark = groupBy(upstream, ({ mark }) => mark)
  const answers = answersTo(client, upstreamByMark)
  const marks = new Set(client.map(({ mark }) => mark))

  for (const [id, same] of groupBy(rows, (row) => row.id)) if (same.length > 1) double.push(`${id}: ${same.length} rows`)
  for (const sums of rollups)
    if (sums.calls !== rowSums.calls || sums.cost !== rowSums.cost)
      double.push(`${sums.of}: ${sums.calls} calls for ${sums.cost}, the rows have ${rowSums.calls} for ${rowSums.cost}`)
  double.push(...otherRollups)

  for (const call of client) {
    const own = rowsByMark.get(call.mark) ?? []
    const seen = upstreamByMark.get(call.mark) ?? []
    const ids = new Set(own.map(({ id }) => id))
    if (ids.size > 1) double.push(`${call.mark}: one call, ${ids.size} rows`)
    const [row] = own
    if (row !== undefined) wrong.push(...faultsOf(row, call, seen, answers.get(call.question ?? '')))
    else if (call.end === 'whole') lost.push(`${call.mark}: the client saw ${call.status} and its end, no row`)
    else if (seen.length > 0) lost.push(`${call.mark}: the upstream had it, no row`)
    else unseen++
  }
  for (const row of rows) if (!marks.has(row.mark)) wrong.push(`${row.id}: a row of a call that nobody made (${row.mark})`)

  return {
    issued: client.length,
    finished: client.filter(({ end }) => end === 'whole').length,
    upstream: upstream.length,
    rows: rows.length,
    lost,
    double,
    wrong,
    unseen,
    proxyLost: rows.filter(({ outcome }) => outcome === 'proxy_lost').length,
  }
}

interface About {
  readonly seed: number
  readonly crashes: number
  /** Calls that the log had no room for, as it tells itself: they are missing, but not unnoticed. */
  readonly counted?: number
}

/**
 * How many calls are missing that a full log did not count, or were counted and are not missing. A call of which neither end has seen
 * enough to miss it may have had a row.
 */
export const uncounted = ({ lost, unseen }: Pick<Verdicts, 'lost' | 'unseen'>, counted: number): number =>
  Math.max(0, lost.length - counted, counted - lost.length - unseen)

/** The one line of a run. */
export const lineOf = (verdicts: Verdicts, { seed, crashes, counted = 0 }: About): string => {
  const { issued, finished, upstream, rows, lost: missing, double, wrong, unseen, proxyLost } = verdicts
  const lost = counted === 0 ? missing.length : `${uncounted(verdicts, counted)} (${counted} dropped and counted)`
  return `seed ${seed}: issued ${issued}, finished ${finished}, upstream ${upstream}, rows ${rows} (proxy_lost ${proxyLost}), lost ${lost}, double ${double.length}, wrong ${wrong.length}, unseen ${unseen}, crashes ${crashes}`
}
