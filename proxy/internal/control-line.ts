import type { Config } from '../../core/config.js'
import { ConfigError } from '../../core/config/parse.js'
import { controlSnapshotSchema, snapshotOf, underSnapshot, type ControlSnapshot } from '../../core/internal/control-snapshot.js'
import { providersFrom } from '../../core/providers/registry.js'
import { presetFaults } from '../identify/preset-faults.js'
import type { ControlStale } from '../proxy-causes.js'
import type { SnapshotFile } from './snapshot-file.js'

/** What became of a snapshot. */
export type Taken =
  | { readonly state: 'taken' }
  /** One that was made later holds. */
  | { readonly state: 'older'; readonly madeAt: number }
  | { readonly state: 'refused'; readonly reason: string }

/** What a proxy hears of the control plane, and what holds by it. */
export interface ControlLine {
  /** weir.yaml and environment, under what the control plane said. */
  config(): Config
  /** weir.yaml was read anew. @throws ConfigError when it cannot hold together with what the control plane said; nothing changes then. */
  ownChanged(own: Config): void
  /** Digest of the snapshot that holds; `null` = none does. Whoever asks is the control plane. */
  heard(): string | null
  /** All of it, or nothing. @throws ZodError when it is no snapshot. */
  take(told: unknown): Promise<Taken>
  stale(): ControlStale | null
  facts(): { readonly digest: string | null; readonly ageMs: number | null }
}

interface Options {
  readonly own: Config
  /** The control plane runs under the same supervisor and reads the same weir.yaml: what it says of the file is known here already. */
  readonly sharesFile: boolean
  readonly file: SnapshotFile
  /** Milliseconds since the epoch. */
  readonly now: () => number
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
  /** Lets a configuration hold. */
  readonly apply: (config: Config) => void
}

/** Between two beats of the control plane lies a second; a restart of it takes some. */
const silentMs = 30_000
/** How exactly a restart knows when the control plane was heard. */
const stampMs = 5000

const ageText = (ms: number): string => (ms < 120_000 ? `${Math.round(ms / 1000)} s` : `${Math.round(ms / 60_000)} min`)

/**
 * Listens to the control plane. What was heard last holds, also after a restart, and while nobody says anything; a snapshot that cannot
 * hold here leaves everything as it was.
 */
export const openControlLine = ({ own: first, sharesFile, file, now, log, apply }: Options): ControlLine => {
  const startedAt = now()
  let own = first
  let holds: ControlSnapshot | null = null
  let heardAt: number | null = null
  let stampedAt = 0
  let refusal: string | null = null
  let turn: Promise<unknown> = Promise.resolve()
  let toldLeftOut = ''

  /** @throws ConfigError */
  const joined = (mine: Config, snapshot: ControlSnapshot | null): Config => {
    if (snapshot === null || sharesFile) return mine
    const { config, leftOut } = underSnapshot(mine, snapshot)
    const providers = providersFrom(config)
    const strange = Object.entries(config.targets).filter(([, { provider }]) => !providers.has(provider))
    const faults = [
      ...strange.map(([name, { provider }]) => `targets.${name}: no provider is called "${provider}" on this host.`),
      ...presetFaults(config).map(({ message }) => message),
    ]
    if (faults.length > 0) throw new ConfigError(faults.join(' '))
    const sentences = leftOut.join(' ')
    if (sentences !== '' && sentences !== toldLeftOut) log.warn({}, sentences)
    toldLeftOut = sentences
    return config
  }

  const { found, damaged } = file.read()
  if (damaged !== null)
    log.error(
      {},
      `${damaged}: what the control plane said last is damaged there; ${found === null ? 'weir.yaml alone holds' : 'what it said before holds'} until it says it again.`,
    )
  let inForce = own
  if (found !== null) {
    heardAt = found.heardAt
    try {
      inForce = joined(own, found.snapshot)
      holds = found.snapshot
    } catch (cause) {
      refusal = (cause as Error).message
      log.error({}, `What the control plane said last cannot hold with this weir.yaml, which holds alone: ${refusal}`)
    }
  }

  const hear = (): void => {
    heardAt = now()
    if (heardAt - stampedAt < stampMs) return
    stampedAt = heardAt
    if (holds !== null) void file.heard(heardAt)
  }
  const ageMs = (): number | null => (heardAt === null ? null : Math.max(0, now() - heardAt))

  const takeNow = async (told: unknown): Promise<Taken> => {
    const snapshot = controlSnapshotSchema.parse(told)
    hear()
    if (holds !== null && snapshot.digest !== holds.digest && snapshot.madeAt <= holds.madeAt)
      return { state: 'older', madeAt: holds.madeAt }
    let next: Config
    try {
      next = joined(own, snapshot)
    } catch (cause) {
      const reason = (cause as Error).message
      if (reason !== refusal) log.error({}, `What the control plane says cannot hold here, what it said before stays: ${reason}`)
      refusal = reason
      return { state: 'refused', reason }
    }
    refusal = null
    const changes = snapshotOf(next, 0).digest !== snapshotOf(inForce, 0).digest
    // First of all: whoever is locked out does not wait for a disk.
    if (changes) apply(next)
    inForce = next
    holds = snapshot
    try {
      await file.write(told as Parameters<SnapshotFile['write']>[0])
    } catch (cause) {
      log.error(
        { err: cause },
        'What the control plane says holds, but cannot be kept on disk: after a restart it is to be said again.',
      )
    }
    return { state: 'taken' }
  }

  return {
    config: () => inForce,
    ownChanged(next) {
      const config = joined(next, holds)
      apply(config)
      own = next
      inForce = config
    },
    heard() {
      hear()
      return holds?.digest ?? null
    },
    take(told) {
      const taken = turn.then(() => takeNow(told))
      turn = taken.catch(() => undefined)
      return taken
    },
    stale() {
      const { maxAge } = inForce.control
      const age = ageMs()
      const silent = age ?? now() - startedAt
      const refuses = maxAge !== null && silent > maxAge
      const said =
        age === null ? 'The control plane has said nothing since the start' : `The control plane was heard ${ageText(age)} ago`
      if (refuses)
        return { effect: `${said}, and control.maxAge allows ${ageText(maxAge)}: calls get 503 control_stale.`, refuses }
      if (refusal !== null)
        return { effect: `What the control plane says cannot hold here, what held before does: ${refusal}`, refuses }
      // A proxy that never heard of one may be on its own.
      if (age === null || age <= silentMs) return null
      return { effect: `${said}: keys, limits, targets and prices are as it told them then.`, refuses }
    },
    facts: () => ({ digest: holds?.digest ?? null, ageMs: ageMs() }),
  }
}
