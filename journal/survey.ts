import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { FolderOwnedError, ownerOf, type FolderOwner } from '../core/folder-lock.js'
import { decodeCheckpoint, type Drop } from './checkpoint.js'
import { recordType, type Progress } from './port.js'
import { readPosition } from './position-file.js'
import { whatIsLeft } from './recovery.js'
import { offsetOf, positionOf, segmentName, segmentOf, type StoredRecord } from './segment-format.js'
import { openSegment } from './segment-reader.js'
import { segmentsIn } from './writer-folder.js'

/** Where a consumer is in a writer's folder. */
export interface ConsumerStand extends Progress {
  readonly consumer: string
  /** Bytes behind it: ends, and what lies between them. */
  readonly lagBytes: number
}

/** What lies in one writer's folder; read alone, nothing is locked or changed. */
export interface WriterSurvey {
  readonly writer: string
  /** The process that has the folder; one on another host counts as living. `null` = nobody, or a dead one. */
  readonly owner: FolderOwner | null
  /** `living`: is written to. `closed`: its process ended well. `dead`: it did not, and calls may be open. */
  readonly state: 'living' | 'closed' | 'dead'
  readonly segments: number
  /** Its number; 0 without one. */
  readonly newestSegment: number
  readonly bytes: number
  /** Calls that have begun and not ended, as the newest segment has it. */
  readonly openCalls: number
  readonly consumers: readonly ConsumerStand[]
}

const sizeOf = async (dir: string, segment: number): Promise<number> =>
  (await stat(join(dir, segmentName(segment))).catch(() => ({ size: 0 }))).size

const consumersIn = async (dir: string): Promise<string[]> =>
  (await readdir(dir)).filter((name) => name.endsWith('.pos')).map((name) => name.slice(0, -4))

/** @returns `unknown` when its lock file cannot be read. */
const ownerIn = async (dir: string): Promise<FolderOwner | 'unknown' | null> => {
  try {
    return await ownerOf(dir)
  } catch (cause) {
    if (cause instanceof FolderOwnedError) return 'unknown'
    throw cause
  }
}

/** Looks at one writer's folder. @throws The disk's error. */
export const surveyWriter = async (dir: string, writer: string): Promise<WriterSurvey> => {
  const segments = await segmentsIn(dir)
  const sizes = new Map<number, number>()
  for (const segment of segments) sizes.set(segment, await sizeOf(dir, segment))
  const owner = await ownerIn(dir)
  const { open, closed } = await whatIsLeft(dir, segments)
  const consumers: ConsumerStand[] = []
  for (const consumer of await consumersIn(dir)) {
    const progress = await readPosition(dir, consumer)
    let lagBytes = 0
    for (const [segment, size] of sizes) {
      if (segment < segmentOf(progress.committed)) continue
      lagBytes += segment === segmentOf(progress.committed) ? Math.max(0, size - offsetOf(progress.committed)) : size
    }
    consumers.push({ consumer, ...progress, lagBytes })
  }
  return {
    writer,
    owner: owner === 'unknown' ? null : owner,
    state: owner !== null ? 'living' : closed && open.size === 0 ? 'closed' : 'dead',
    segments: segments.length,
    newestSegment: segments.at(-1) ?? 0,
    bytes: [...sizes.values()].reduce((sum, size) => sum + size, 0),
    openCalls: open.size,
    consumers,
  }
}

/** What is no whole record, or has another checksum than was written. */
export interface Torn {
  readonly segment: number
  readonly at: number
  readonly bytes: number
}

/** Records of a writer's folder, every checksum verified. */
export interface WriterRecords {
  readonly starts: number
  readonly ends: number
  readonly checkpoints: number
  /** Calls the journal had no room for, as its checkpoints tell them. */
  readonly drops: readonly (Drop & { readonly at: number })[]
  /** In the newest segment of a living writer it may be a record that is being written. */
  readonly torn: readonly Torn[]
}

/** None in a checkpoint of a newer Weir. */
const dropsIn = (payload: Buffer): readonly Drop[] => {
  try {
    return decodeCheckpoint(payload).drops
  } catch {
    return []
  }
}

/**
 * Reads a writer's folder from its beginning and verifies each record.
 *
 * @param onEnds Gets ends as they come, some at a time, and is waited for.
 */
export const readWriter = async (
  dir: string,
  onEnds: (ends: readonly Buffer[]) => Promise<void> = () => Promise.resolve(),
): Promise<WriterRecords> => {
  const drops: (Drop & { at: number })[] = []
  const torn: Torn[] = []
  let [starts, ends, checkpoints] = [0, 0, 0]
  const most = { records: 256, bytes: 16 * 1024 * 1024 }
  for (const segment of await segmentsIn(dir)) {
    const reader = await openSegment(dir, segment)
    if (reader === null) continue
    const take = ({ type, payload, at }: StoredRecord): Buffer | null => {
      if (type === recordType.start) starts++
      else if (type === recordType.checkpoint) {
        checkpoints++
        for (const drop of dropsIn(payload)) drops.push({ ...drop, at: positionOf(segment, at) })
      } else if (type === recordType.end) {
        ends++
        return payload
      }
      return null
    }
    try {
      for (let from = 0, goesOn = true; goesOn;) {
        const some: Buffer[] = []
        let bytes = 0
        const { why, at, size } = await reader.read(from, (record) => {
          const end = take(record)
          if (end !== null) {
            some.push(end)
            bytes += end.length
          }
          from = record.next
          return some.length < most.records && bytes < most.bytes
        })
        if (some.length > 0) await onEnds(some)
        goesOn = why === 'enough'
        if (why === 'torn' && size > at) torn.push({ segment, at, bytes: size - at })
      }
    } finally {
      await reader.close()
    }
  }
  return { starts, ends, checkpoints, drops, torn }
}
