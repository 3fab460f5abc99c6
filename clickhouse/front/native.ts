import { DbError } from '../db.js'

/** From this revision on a client expects the frames of the native protocol around blocks and columns. */
const framedFrom = 54454

/** Block info: field 1, not an overflow block; field 2, no bucket (-1); end. */
const blockInfo = Buffer.from([1, 0, 2, 0xff, 0xff, 0xff, 0xff, 0])
const plainSerialization = Buffer.from([0])

const fixedBytes: Readonly<Record<string, number>> = {
  Bool: 1,
  Int8: 1,
  UInt8: 1,
  Enum8: 1,
  Nothing: 1,
  Int16: 2,
  UInt16: 2,
  Enum16: 2,
  BFloat16: 2,
  Date: 2,
  Int32: 4,
  UInt32: 4,
  Float32: 4,
  Date32: 4,
  DateTime: 4,
  Time: 4,
  IPv4: 4,
  Int64: 8,
  UInt64: 8,
  Float64: 8,
  DateTime64: 8,
  Time64: 8,
  Int128: 16,
  UInt128: 16,
  UUID: 16,
  IPv6: 16,
  Int256: 32,
  UInt256: 32,
}

interface Type {
  readonly name: string
  readonly args: readonly string[]
}

/** `Map(LowCardinality(String), String)` as name and arguments; text in quotes may hold anything. */
const parseType = (text: string): Type => {
  const open = text.indexOf('(')
  if (open < 0) return { name: text, args: [] }
  const args: string[] = []
  let depth = 0
  let quoted = false
  let from = open + 1
  for (let i = from; i < text.length; i++) {
    const c = text[i]
    if (quoted) {
      if (c === '\\') i++
      else if (c === "'") quoted = false
    } else if (c === "'") quoted = true
    else if (c === '(') depth++
    else if (c === ')' && depth > 0) depth--
    else if (c === ')' || (c === ',' && depth === 0)) {
      args.push(text.slice(from, i).trim())
      from = i + 1
    }
  }
  return { name: text.slice(0, open), args }
}

const decimalBytes = (precision: number): number => (precision <= 9 ? 4 : precision <= 18 ? 8 : precision <= 38 ? 16 : 32)

/** A tuple's element may be named: `n UInt8`. */
const elementType = (arg: string): string => /^(?:`[^`]*`|[A-Za-z_]\w*) +(.+)$/s.exec(arg)?.[1] ?? arg

/** Walks over a Native answer. Each `skip*` moves past one thing. */
class Cursor {
  at = 0
  readonly bytes: Buffer
  constructor(bytes: Buffer) {
    this.bytes = bytes
  }
  varint(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.bytes.readUInt8(this.at++)
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }
  uint64(): number {
    const value = Number(this.bytes.readBigUInt64LE(this.at))
    this.at += 8
    return value
  }
  text(): string {
    const bytes = this.varint()
    return this.bytes.toString('utf8', this.at, (this.at += bytes))
  }
  skip(bytes: number): void {
    this.at += bytes
  }
}

/** What stands before the values of a column: a version for each dictionary in it. */
const skipPrefix = (cursor: Cursor, type: Type): void => {
  if (type.name === 'LowCardinality') cursor.skip(8)
  else if (['Array', 'Nullable', 'Map', 'Tuple', 'Nested'].includes(type.name))
    for (const arg of type.args) skipPrefix(cursor, parseType(elementType(arg)))
  else if (type.name === 'SimpleAggregateFunction') skipPrefix(cursor, parseType(type.args[1] ?? ''))
}

const skipDictionary = (cursor: Cursor, type: Type, rows: number): void => {
  if (rows === 0) return
  const flags = cursor.uint64()
  const inner = parseType(type.args[0] ?? '')
  skipValues(cursor, inner.name === 'Nullable' ? parseType(inner.args[0] ?? '') : inner, cursor.uint64())
  cursor.skip(cursor.uint64() * 2 ** (flags & 255))
}

const skipArray = (cursor: Cursor, elements: readonly string[], rows: number): void => {
  if (rows === 0) return
  cursor.skip(8 * (rows - 1))
  const total = cursor.uint64()
  for (const element of elements) skipValues(cursor, parseType(elementType(element)), total)
}

const skipValues = (cursor: Cursor, type: Type, rows: number): void => {
  const { name, args } = type
  const [first = '', second = ''] = args
  const fixed = fixedBytes[name]
  if (fixed !== undefined) return cursor.skip(fixed * rows)
  if (name.startsWith('Interval')) return cursor.skip(8 * rows)
  switch (name) {
    case 'String':
      for (let i = 0; i < rows; i++) cursor.skip(cursor.varint())
      return
    case 'FixedString':
      return cursor.skip(Number(first) * rows)
    case 'Decimal':
      return cursor.skip(decimalBytes(Number(first)) * rows)
    case 'Nullable':
      cursor.skip(rows)
      return skipValues(cursor, parseType(first), rows)
    case 'LowCardinality':
      return skipDictionary(cursor, type, rows)
    case 'Array':
    case 'Map':
    case 'Nested':
      return skipArray(cursor, args, rows)
    case 'Tuple':
      for (const arg of args) skipValues(cursor, parseType(elementType(arg)), rows)
      return
    case 'SimpleAggregateFunction':
      return skipValues(cursor, parseType(second), rows)
    default:
      throw new DbError(
        50,
        `Code: 50. DB::Exception: A column of type ${name} cannot be sent to this client. Convert it, as with toString(). (UNKNOWN_TYPE)`,
      )
  }
}

/**
 * The embedded engine writes Native without the frames of the protocol; a client that names a revision of 54454 or later
 * (`client_protocol_version`, as clickhouse-go does) expects them: block info before each block, and after each column's type
 * a byte that says its values come in the plain serialization.
 *
 * @throws DbError 50 for a type whose length cannot be told (aggregate states, JSON, Variant, Dynamic).
 */
export const framedForProtocol = (answer: Uint8Array, revision: number): Uint8Array => {
  if (revision < framedFrom) return answer
  const bytes = Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength)
  const cursor = new Cursor(bytes)
  const parts: Buffer[] = []
  let from = 0
  const upToHere = (): void => {
    parts.push(bytes.subarray(from, cursor.at))
    from = cursor.at
  }
  while (cursor.at < bytes.length) {
    parts.push(blockInfo)
    const columns = cursor.varint()
    const rows = cursor.varint()
    for (let i = 0; i < columns; i++) {
      cursor.text()
      const type = parseType(cursor.text())
      upToHere()
      parts.push(plainSerialization)
      if (rows === 0) continue
      skipPrefix(cursor, type)
      skipValues(cursor, type, rows)
    }
    upToHere()
  }
  return Buffer.concat(parts)
}
