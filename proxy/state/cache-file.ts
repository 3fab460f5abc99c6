import { hash } from 'node:crypto'
import type { CacheEntry } from './cache-store.js'

const magic = Buffer.from('WC1\n')
const digestBytes = 32
const headAt = magic.length + digestBytes + 4

/**
 * An entry as bytes: magic, SHA-256 of all that follows it, u32 LE length of the JSON head, the head, the body.
 *
 * @param name What it is kept under. It is part of the bytes, so that a file under another name is not taken for that.
 */
export const encodeEntry = (name: string, { body, ...head }: CacheEntry): readonly Buffer[] => {
  const json = Buffer.from(JSON.stringify({ name, ...head }))
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32LE(json.length)
  const rest = Buffer.concat([length, json, body])
  return [magic, hash('sha256', rest, 'buffer'), rest]
}

/** @returns `null` when the bytes are not one whole entry of that name. */
export const decodeEntry = (name: string, bytes: Buffer): CacheEntry | null => {
  if (bytes.length < headAt || !bytes.subarray(0, magic.length).equals(magic)) return null
  const rest = bytes.subarray(magic.length + digestBytes)
  if (!hash('sha256', rest, 'buffer').equals(bytes.subarray(magic.length, magic.length + digestBytes))) return null
  const bodyAt = headAt + bytes.readUInt32LE(headAt - 4)
  const { name: told, ...head } = JSON.parse(bytes.toString('utf8', headAt, bodyAt)) as Omit<CacheEntry, 'body'> & {
    readonly name: string
  }
  return told === name ? { ...head, body: bytes.subarray(bodyAt) } : null
}
