import { createHash } from 'node:crypto'
import type { Fake } from './faults.js'

/** One answer before faults touch it: every part is one write. */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly parts: readonly Buffer[]
  /** A stream has no content-length. */
  readonly stream: boolean
  /** How many of the last parts close the stream (finish reason, usage, `[DONE]`). */
  readonly terminal: number
  /** The provider's error event, for streams. */
  readonly errorEvent: Buffer | null
}

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  /** The parsed JSON body; `{}` when there is none. */
  readonly body: Readonly<Record<string, unknown>>
  /** The body could not be parsed. */
  readonly malformed: boolean
  readonly bodyBytes: number
  readonly bodySha256: string
  /** First 64 KiB of a body that is not JSON. */
  readonly head: Buffer
  readonly fake: Fake
  /** Makes ids: the same for the same `id=` in x-fake, else new for every call. */
  readonly id: (prefix: string, length: number) => string
}

/** Everything the fake provider dates: 2025-11-12T14:13:20Z. Same request and `id=`, same bytes. */
export const createdAt = 1_762_956_800

export const idsFrom =
  (seed: string) =>
  (prefix: string, length: number): string =>
    prefix + createHash('sha256').update(`${prefix}:${seed}`).digest('hex').slice(0, length)

export const json = (body: unknown, status = 200, headers: Record<string, string> = {}): Reply => ({
  status,
  headers: { 'content-type': 'application/json', ...headers },
  parts: [Buffer.from(JSON.stringify(body))],
  stream: false,
  terminal: 0,
  errorEvent: null,
})

export const sse = (
  events: readonly string[],
  { terminal, errorEvent, headers = {} }: { terminal: number; errorEvent: string; headers?: Record<string, string> },
): Reply => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream; charset=utf-8', 'cache-control': 'no-cache', ...headers },
  parts: events.map((event) => Buffer.from(event)),
  stream: true,
  terminal,
  errorEvent: Buffer.from(errorEvent),
})

export const record = (value: unknown): Readonly<Record<string, unknown>> =>
  value !== null && typeof value === 'object' && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
export const list = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : [])
export const text = (value: unknown, fallback = ''): string => (typeof value === 'string' ? value : fallback)
export const positive = (value: unknown): number | null => (typeof value === 'number' && value > 0 ? value : null)
