import { mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

/** Why something was set aside: the events of ingest, the spans of a destination. */
export type DeadReason = 'undecodable' | 'newer_version' | 'refused' | 'enrich_failed' | 'partial_success'

export interface DeadLetter {
  readonly reason: DeadReason
  /** What refused it, in its own words. */
  readonly error: string
  /** Where it lies in the event log. */
  readonly source: { readonly partition: string; readonly first: number; readonly last: number }
  /** Tells letters of one range apart. */
  readonly key?: string
  /** Untouched: the record's payload, or the OTLP request that was refused. */
  readonly payload: Uint8Array
}

/** A folder of things no one would take. One file each: a line of JSON that says why, then the payload as it was. */
export interface DeadLetters {
  /** Durable before it resolves. The same letter twice is one file. */
  put(letter: DeadLetter): Promise<void>
  /** Letters in the folder, as of the last look. */
  count(): number
  /** Looks again: people take letters out. */
  recount(): Promise<void>
  /** Where they lie, for people. */
  readonly place: string
}

interface Options {
  readonly dir: string
  /** Above it the oldest letters go; `null` = kept until someone takes them. */
  readonly limitBytes: number | null
  readonly now: () => number
}

const safe = (text: string): string => text.replace(/[^A-Za-z0-9._-]/g, '_')

interface Kept {
  readonly name: string
  readonly bytes: number
  readonly mtimeMs: number
}

const listed = async (dir: string): Promise<Kept[]> => {
  const names = (await readdir(dir)).filter((name) => name.endsWith('.dead'))
  const kept = await Promise.all(
    names.map(async (name) => {
      const found = await stat(join(dir, name)).catch(() => null) // taken out a moment ago
      return found === null ? null : { name, bytes: found.size, mtimeMs: found.mtimeMs }
    }),
  )
  return kept.filter((letter) => letter !== null).sort((a, b) => a.mtimeMs - b.mtimeMs)
}

const writeDurably = async (dir: string, name: string, pieces: readonly Uint8Array[]): Promise<void> => {
  const temporary = join(dir, `${name}.tmp`)
  const file = await open(temporary, 'w')
  try {
    await file.writev([...pieces])
    await file.sync()
  } finally {
    await file.close()
  }
  await rename(temporary, join(dir, name))
  const folder = await open(dir, 'r')
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

/** Opens the folder, making it if it is missing. */
export const openDeadLetters = async ({ dir, limitBytes, now }: Options): Promise<DeadLetters> => {
  await mkdir(dir, { recursive: true })
  let letters: Kept[] = []
  let bytes = 0
  const recount = async (): Promise<void> => {
    letters = await listed(dir)
    bytes = letters.reduce((sum, letter) => sum + letter.bytes, 0)
  }
  await recount()
  let writing: Promise<void> = Promise.resolve()

  const put = async ({ reason, error, source, key = '', payload }: DeadLetter): Promise<void> => {
    const name = `${safe(source.partition)}_${source.first}-${source.last}${key === '' ? '' : `_${safe(key)}`}_${reason}.dead`
    const head = Buffer.from(
      `${JSON.stringify({ v: 1, reason, error: error.slice(0, 4096), source, at: new Date(now()).toISOString() })}\n`,
    )
    await writeDurably(dir, name, [head, payload])
    const before = letters.findIndex((letter) => letter.name === name)
    if (before >= 0) bytes -= letters.splice(before, 1)[0]?.bytes ?? 0
    letters.push({ name, bytes: head.length + payload.length, mtimeMs: now() })
    bytes += head.length + payload.length
    const most = limitBytes ?? Infinity
    while (bytes > most && letters.length > 1) {
      const oldest = letters.shift() as Kept
      bytes -= oldest.bytes
      await rm(join(dir, oldest.name), { force: true })
    }
  }
  const inTurn = (work: () => Promise<void>): Promise<void> => {
    const done = writing.then(work)
    writing = done.catch(() => undefined)
    return done
  }
  return {
    put: (letter) => inTurn(() => put(letter)),
    count: () => letters.length,
    recount: () => inTurn(recount),
    place: dir,
  }
}
