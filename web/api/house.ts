import type { Registry } from 'prom-client'
import type { Db } from '../../clickhouse/db.js'
import type { ControlStore } from '../../control/store.js'
import type { Access } from '../../core/access.js'
import type { Config } from '../../core/config.js'
import type { TenantId } from '../../core/tenant.js'
import type { BackupJob, Cause, Destination, Health, ProxyState, RepriceJob } from './contract.js'

/** The part of a logger that is used here; pino's fits. */
export interface Log {
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
}

/** What the rest of the hub knows of its state. */
export interface HubFacts {
  readonly causes: readonly Cause[]
  readonly ingest: Health['ingest']
  readonly journal?: Health['journal']
  readonly proxies?: readonly ProxyState[]
  /** Date of the newest price known. */
  readonly pricesDate?: string | null
}

/** Re-pricing, done where ingest runs. One at a time. Whose calls: a tenant's, or `null` = every tenant's. */
export interface RepriceJobs {
  /** @returns `null` while another one runs. */
  begin(
    whose: TenantId | null,
    ask: { from: Date; to: Date; model: string | null; dryRun: boolean },
  ): RepriceJob | null | Promise<RepriceJob | null>
  /** A tenant finds its own alone. */
  find(whose: TenantId | null, id: string): RepriceJob | null | Promise<RepriceJob | null>
  /** Resolves when it has stopped. */
  stop(whose: TenantId | null, id: string): Promise<void>
}

/** Copies of the running house, made where ingest runs, on its disk. One at a time; the last one is known. */
export interface BackupJobs {
  /** @returns `null` while another one runs. */
  begin(): BackupJob | null
  find(id: string): BackupJob | null
}

/** What the web server is given by the wiring. */
export interface House {
  readonly config: Config
  /** Who may ask now: keys come and go while the house runs. */
  readonly access: () => Access
  readonly db: Db
  readonly control: ControlStore
  readonly health: () => HubFacts | Promise<HubFacts>
  readonly destinations: () => readonly Destination[] | Promise<readonly Destination[]>
  /** Registers a listener that is called after rows were stored. */
  readonly stored: (listener: () => void) => () => void
  readonly now: () => number
  readonly log: Log
  /** Of Weir. */
  readonly version: string
  /** The environment the configuration was read from: it tells the source of each setting. */
  readonly env: Readonly<Record<string, string | undefined>>
  readonly metrics: readonly Registry[]
  /** Makes one call through the proxy to a provider that needs no key; resolves with the id of its row. */
  readonly demoCall: (() => Promise<{ readonly id: string }>) | null
  /** Forgets what every proxy keeps of a tenant's answers. `null` where no proxy can be told. */
  readonly purge: ((tenant: TenantId) => Promise<{ readonly removed: number; readonly failed: readonly string[] }>) | null
  /** `null` where nothing is ingested. */
  readonly reprice: RepriceJobs | null
  /** `null` where the store is not embedded, or nothing is ingested. */
  readonly backup: BackupJobs | null
  readonly proxyUrl: string
  readonly sqlUrl: string | null
}
