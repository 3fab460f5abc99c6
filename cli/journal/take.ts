import { readdir } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { decodeExchange } from '../../core/exchange.js'
import { ownerOf } from '../../core/folder-lock.js'
import { openJournal } from '../../journal/open.js'
import type { JournalWriter } from '../../journal/port.js'
import { readPosition } from '../../journal/position-file.js'
import { lostEnd, whatIsLeft } from '../../journal/recovery.js'
import { isWriterName } from '../../journal/segment-format.js'
import { readWriter, type WriterRecords } from '../../journal/survey.js'
import { segmentsIn, writersIn } from '../../journal/writer-folder.js'

interface Options {
  /** A data folder, a journal, or the folder of one writer. It is only read. */
  readonly folder: string
  /** Of this house. */
  readonly journalDir: string
  readonly limitBytes: number
  /** The operator says that whoever has the folder is no more. */
  readonly isGone: boolean
  readonly dryRun: boolean
  readonly now: () => number
  readonly onProgress: (taken: Taken) => void
}

export interface Taken {
  readonly writers: number
  /** Ends found, and calls that were open and have got their end, `proxy_lost`. */
  readonly calls: number
  readonly lost: number
  /** Records no Weir of this version can read. */
  readonly unreadable: number
  /** Calls that journal had no room for, told on. */
  readonly dropped: number
  readonly tornBytes: number
}

/** Folders of writers: `folder` itself, or those in it, or in its `journal`. */
const writerFolders = async (folder: string): Promise<readonly string[]> => {
  if (isWriterName(basename(folder))) return [folder]
  const inIt = await writersIn(folder)
  if (inIt.length > 0) return inIt.map((writer) => join(folder, writer))
  return (await writersIn(join(folder, 'journal'))).map((writer) => join(folder, 'journal', writer))
}

const append = (journal: JournalWriter, id: string, tenant: string, payload: readonly Uint8Array[]): Promise<void> =>
  new Promise((resolve, reject) =>
    journal.append('end', id, tenant, payload, 'strict', (failure) => (failure === null ? resolve() : reject(failure))),
  )

/** Of whom it is known, by whoever read the folder before, that what lies before was told. */
const toldBefore = async (dir: string): Promise<number> => {
  let told = 0
  for (const name of await readdir(dir))
    if (name === 'ingest.pos' || name === 'shipper.pos')
      told = Math.max(told, (await readPosition(dir, name.slice(0, -4))).committed)
  return told
}

const untold = async (dir: string, { drops }: WriterRecords): Promise<WriterRecords['drops']> => {
  const told = await toldBefore(dir)
  return drops.filter(({ at }) => at >= told)
}

const checkOwner = async (dir: string): Promise<void> => {
  const owner = await ownerOf(dir)
  if (owner === null) return
  throw new Error(
    `${dir} is in use by process ${owner.pid} on host ${owner.host} since ${owner.since}. Stop that process; if host and process are gone ` +
      'for good, say so with --gone.',
  )
}

/**
 * Takes over what lies in a journal of another host: its ends go into this house's journal, each marked as one that may be stored
 * already, so that it is looked up first; calls that were open get their end, `proxy_lost`. May be broken off and begun again.
 *
 * @throws Error when there is no journal, somebody writes to it, or this one is full.
 */
export const takeJournal = async (options: Options): Promise<Taken> => {
  const { folder, journalDir, limitBytes, isGone, dryRun, now, onProgress } = options
  const folders = await writerFolders(folder)
  if (folders.length === 0)
    throw new Error(`${folder} holds no journal: name a data folder, its journal, or a writer's folder in it.`)
  if (folders.some((dir) => dirname(dir) === journalDir))
    throw new Error(`${folder} is this house's own journal: what lies in it is read by itself.`)
  if (!isGone) for (const dir of folders) await checkOwner(dir)

  let taken: Taken = { writers: 0, calls: 0, lost: 0, unreadable: 0, dropped: 0, tornBytes: 0 }
  const add = (more: Partial<Taken>): void => {
    const sum = (name: keyof Taken): number => taken[name] + (more[name] ?? 0)
    taken = {
      writers: sum('writers'),
      calls: sum('calls'),
      lost: sum('lost'),
      unreadable: sum('unreadable'),
      dropped: sum('dropped'),
      tornBytes: sum('tornBytes'),
    }
    onProgress(taken)
  }

  const drops: WriterRecords['drops'][number][] = []
  for (const dir of folders) drops.push(...(await untold(dir, await readWriter(dir))))
  const journal = dryRun
    ? null
    : await openJournal({ dir: journalDir, durability: 'strict', limitBytes, now, doubt: true, drops })
  add({ dropped: drops.reduce((sum, { n }) => sum + n, 0) })

  const take = async (payload: Buffer): Promise<void> => {
    let known: { readonly id: string; readonly tenant: string }
    try {
      known = decodeExchange(payload)
    } catch {
      return add({ unreadable: 1 })
    }
    if (journal !== null) await append(journal, known.id, known.tenant, [payload])
    add({ calls: 1 })
  }

  try {
    for (const dir of folders) {
      const { torn } = await readWriter(dir, async (ends) => void (await Promise.all(ends.map(take))))
      const { open, unreadable } = await whatIsLeft(dir, await segmentsIn(dir))
      for (const [id, start] of open) {
        const { tenant, payload } = lostEnd(start)
        if (journal !== null) await append(journal, id, tenant, payload)
      }
      add({ writers: 1, lost: open.size, unreadable, tornBytes: torn.reduce((sum, { bytes }) => sum + bytes, 0) })
    }
  } finally {
    await journal?.close()
  }
  return taken
}
