import { readFileSync } from 'node:fs'
import { mkdir, rename, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { levelOf, type Bucket } from './bucket.js'

/** A bucket as it is kept on disk. */
export interface KeptBucket extends Readonly<Bucket> {
  /** Tenant, owner and key. */
  readonly name: string
  readonly windowMs: number
}

const first = 'weir limits 1'
/** Lines that are written between two turns of the event loop. */
const slice = 2000
const whole = /^-?\d{1,16}$/

/** One line each: level, rest, at, quota, window, name (JSON). */
const lineOf = ({ level, rest, at, quotaMicro, windowMs, name }: KeptBucket): string =>
  `${level} ${rest} ${at} ${quotaMicro} ${windowMs} ${JSON.stringify(name)}`

const bucketOf = (line: string): KeptBucket | null => {
  const parts = line.split(' ')
  const numbers = parts.slice(0, 5)
  if (numbers.length < 5 || !numbers.every((text) => whole.test(text) && Number.isSafeInteger(Number(text)))) return null
  const [level = 0, rest = 0, at = 0, quotaMicro = 0, windowMs = 0] = numbers.map(Number)
  if (rest < 0 || at < 0 || quotaMicro < 0 || windowMs < 1 || rest >= windowMs || Math.abs(level) > quotaMicro) return null
  let name: unknown
  try {
    name = JSON.parse(parts.slice(5).join(' '))
  } catch {
    return null
  }
  return typeof name === 'string' ? { level, rest, at, quotaMicro, windowMs, name } : null
}

/**
 * Levels as they were saved, those that are full by now left out. A line that is torn or makes no sense is left out; so is everything,
 * where there is no file.
 */
export const readLimits = (path: string, now: number): readonly KeptBucket[] => {
  let lines: readonly string[]
  try {
    lines = readFileSync(path, 'utf8').split('\n')
  } catch {
    return []
  }
  if (lines[0] !== first) return []
  return lines
    .slice(1)
    .map(bucketOf)
    .filter((found) => found !== null)
    .filter((kept) => levelOf(kept, kept.quotaMicro, kept.windowMs, now).level < kept.quotaMicro)
}

/** Writes levels in place of those that were there, whole or not at all. @throws what the disk says. */
export const writeLimits = async (path: string, buckets: readonly KeptBucket[]): Promise<void> => {
  const texts = [first]
  for (let at = 0; at < buckets.length; at += slice) {
    texts.push(...buckets.slice(at, at + slice).map(lineOf))
    await new Promise((resolve) => setImmediate(resolve))
  }
  await mkdir(dirname(path), { recursive: true, mode: 0o700 })
  await writeFile(`${path}.new`, `${texts.join('\n')}\n`, { mode: 0o600 })
  await rename(`${path}.new`, path)
}
