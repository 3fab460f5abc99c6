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

/** What the row says that neither end saw. */
const faultsOf = (row: StoredCall, client: ClientCall, seen: readonly UpstreamCall[]): readonly string[] => {
  const faults: string[] = []
  const must = (holds: boolean, what: string): void => {
    if (!holds) faults.push(`${row.id} (${client.mark}): ${what}`)
  }
  const [upstream] = seen
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
    must(row.cost === upstream.cost, `cost ${String(row.cost)}, worked out ${upstream.cost}`)
    must(
      row.responseSha256 === upstream.sentSha256,
      `hash ${row.responseSha256}, the upstream sent ${String(upstream.sentSha256)}`,
    )
  }
  const brokenOff = (): void =>
    must(['upstream_abort', 'stall'].includes(row.outcome), `${row.outcome}, but the upstream broke off`)
  if (client.id !== '') must(row.id === client.id, `the client was told the id ${client.id}`)
  if (row.outcome === 'proxy_lost') {
    must(client.end === 'cut' || client.end === 'left', `proxy_lost, but the client's end was ${client.end}`)
    must(row.cost === null, `proxy_lost costs something unknown, not ${String(row.cost)}`)
  } else if (client.end === 'whole') {
    // A stream that breaks off ends with an error event of ours, the HTTP message whole.
    if (client.refusal === '' && upstream?.fault === 'broken') brokenOff()
    else if (client.refusal === '') {
      must(row.outcome === 'complete', `${row.outcome}, but the client saw the end`)
      must(row.status === client.status, `status ${row.status}, the client saw ${client.status}`)
      must(row.responseSha256 === client.sha256, `hash ${row.responseSha256}, the client's is ${client.sha256}`)
      whole()
    } else {
      must(
        ['refused', 'upstream_abort', 'stall'].includes(row.outcome),
        `${row.outcome}, but the client was told ${client.refusal}`,
      )
      must(
        row.status === client.status && row.errorCode === client.refusal,
        `${row.status} ${row.errorCode}, the client saw ${client.status} ${client.refusal}`,
      )
    }
  } else if (client.end === 'cut' && upstream?.fault === 'broken') brokenOff()
  else if (client.end === 'cut') {
    // The end is written before the last byte goes out: a kill between the two leaves a whole row and a client without its end.
    must(row.outcome === 'complete', `${row.outcome}, but the connection was cut by nobody but us`)
    if (row.outcome === 'complete') whole()
  } else if (client.end === 'left') {
    must(row.outcome === 'client_abort' || row.outcome === 'complete', `${row.outcome}, but the client left`)
    if (row.outcome === 'complete') whole()
  } else faults.push(`${row.id} (${client.mark}): a row of a call that never connected`)
  const sends = Math.max(1, seen.length)
  if (seen.length > 0 && row.outcome !== 'proxy_lost')
    must(row.attempts + (row.replayed ? 1 : 0) === sends, `${row.attempts} attempts, the upstream had it ${seen.length} times`)
  return faults
}

/**
 * Compares what the clients saw, what the upstream saw and what is stored (reliability.md §2).
 *
 * @returns Every fault by its verdict; a clean run has none in `lost`, `double` and `wrong`.
 */
export const check = ({ client, upstream, rows, rowSums, rollups }: Histories): Verdicts => {
  const lost: string[] = []
  const double: string[] = []
  const wrong: string[] = []
  let unseen = 0
  const rowsByMark = groupBy(rows, ({ mark }) => mark)
  const upstreamByMark = groupBy(upstream, ({ mark }) => mark)
  const marks = new Set(client.map(({ mark }) => mark))

  for (const [id, same] of groupBy(rows, (row) => row.id)) if (same.length > 1) double.push(`${id}: ${same.length} rows`)
  for (const sums of rollups)
    if (sums.calls !== rowSums.calls || sums.cost !== rowSums.cost)
      double.push(`${sums.of}: ${sums.calls} calls for ${sums.cost}, the rows have ${rowSums.calls} for ${rowSums.cost}`)

  for (const call of client) {
    const own = rowsByMark.get(call.mark) ?? []
    const seen = upstreamByMark.get(call.mark) ?? []
    const ids = new Set(own.map(({ id }) => id))
    if (ids.size > 1) double.push(`${call.mark}: one call, ${ids.size} rows`)
    const [row] = own
    if (row !== undefined) wrong.push(...faultsOf(row, call, seen))
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

/** The one line of a run. */
export const lineOf = (verdicts: Verdicts, { seed, crashes }: { readonly seed: number; readonly crashes: number }): string => {
  const { issued, finished, upstream, rows, lost, double, wrong, unseen, proxyLost } = verdicts
  return `seed ${seed}: issued ${issued}, finished ${finished}, upstream ${upstream}, rows ${rows} (proxy_lost ${proxyLost}), lost ${lost.length}, double ${double.length}, wrong ${wrong.length}, unseen ${unseen}, crashes ${crashes}`
}
