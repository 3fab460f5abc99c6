/** What a limit counts. `cents` are US cents. */
export type LimitUnit = 'request' | 'tokens' | 'cents'

/** What happens to callers without a value for the segment: one bucket for all of them, none, or a 400. */
export type LimitMissing = 'shared' | 'allow' | 'deny'

/** One policy (headers.md §3.5): so much per window, for the tenant or for each value of a segment. */
export interface LimitPolicy {
  /** Millionths of the unit, a whole number: quotas have up to six decimals. */
  readonly quotaMicro: number
  readonly windowS: number
  readonly unit: LimitUnit
  /** `user`, `@key`, `@session`, `@model`, or the name of a property in lower case; `null` = the whole tenant. */
  readonly segment: string | null
  /** `null` = not said. */
  readonly missing: LimitMissing | null
  readonly name: string | null
  /** Canonical form: parameters that were said, in one order; the unit always. */
  readonly text: string
}

/** What is wrong with a list of policies. `at` counts characters from 1. */
export interface LimitPolicyFault {
  readonly at: number
  readonly message: string
}

export type ParsedLimitPolicies =
  | { readonly policies: readonly LimitPolicy[]; readonly fault: null }
  | { readonly policies: null; readonly fault: LimitPolicyFault }

const mostPolicies = 8
const longestWindowS = 31_536_000
const micro = 1_000_000

const quotaForm = /\d{1,9}(?:\.\d{1,6})?/y
const paramName = /[^;,=\s]*/y
const paramValue = /[^;,\s]*/y
const blanks = /[ \t]*/y
const token = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}$/
const segmentWords: ReadonlySet<string> = new Set(['user', '@key', '@session', '@model'])

class Fault extends Error {
  readonly at: number
  constructor(index: number, message: string) {
    super(message)
    this.at = index + 1
  }
}

/** Reads on from one place. Every step either moves it or throws. */
class Reader {
  at = 0
  readonly text: string
  constructor(text: string) {
    this.text = text
  }
  /** Empty at the end. */
  next(): string {
    return this.text[this.at] ?? ''
  }
  match(form: RegExp): string | null {
    form.lastIndex = this.at
    const found = form.exec(this.text)
    if (found === null) return null
    this.at += found[0].length
    return found[0]
  }
}

const microOf = (digits: string): number => {
  const [whole = '0', fraction = ''] = digits.split('.')
  return Number(whole) * micro + Number(fraction.padEnd(6, '0'))
}

/** A quota as it is written: `10`, `0.5`. */
export const quotaText = (quotaMicro: number): string => {
  const fraction = quotaMicro % micro
  const whole = String((quotaMicro - fraction) / micro)
  return fraction === 0 ? whole : `${whole}.${String(fraction).padStart(6, '0').replace(/0+$/, '')}`
}

interface Said {
  windowS: number | null
  unit: LimitUnit | null
  segment: string | null
  missing: LimitMissing | null
  name: string | null
}

const units: Readonly<Record<string, LimitUnit>> = { request: 'request', requests: 'request', tokens: 'tokens', cents: 'cents' }

const readParam = (name: string, value: string, said: Said, at: { readonly name: number; readonly value: number }): void => {
  const once = (before: unknown): void => {
    if (before !== null) throw new Fault(at.name, `${name}= stands twice.`)
  }
  switch (name) {
    case 'w':
      once(said.windowS)
      if (!/^\d{1,8}$/.test(value) || Number(value) < 1 || Number(value) > longestWindowS)
        throw new Fault(at.value, `w= is a window of 1 to ${longestWindowS} seconds.`)
      said.windowS = Number(value)
      break
    case 'u': {
      once(said.unit)
      const unit = Object.hasOwn(units, value) ? units[value] : undefined
      if (unit === undefined) throw new Fault(at.value, 'u= is request, tokens or cents.')
      said.unit = unit
      break
    }
    case 's':
      once(said.segment)
      if (!segmentWords.has(value) && (value.startsWith('@') || !token.test(value)))
        throw new Fault(at.value, 's= is user, @key, @session, @model or the name of a property.')
      said.segment = segmentWords.has(value) ? value : value.toLowerCase()
      break
    case 'missing':
      once(said.missing)
      if (value !== 'shared' && value !== 'allow' && value !== 'deny')
        throw new Fault(at.value, 'missing= is shared, allow or deny.')
      said.missing = value
      break
    case 'name':
      once(said.name)
      if (!token.test(value)) throw new Fault(at.value, 'name= is a token of at most 64 characters.')
      said.name = value
      break
    default:
      throw new Fault(at.name, 'A parameter is w=, u=, s=, missing= or name=.')
  }
}

const readPolicy = (reader: Reader): LimitPolicy => {
  const from = reader.at
  const digits = reader.match(quotaForm)
  if (digits === null) throw new Fault(from, 'A policy begins with its quota.')
  if (/[\d.]/.test(reader.next())) throw new Fault(reader.at, 'A quota has at most 9 digits before its point and 6 behind it.')
  if (reader.next() !== '' && !/[;,\s]/.test(reader.next()))
    throw new Fault(reader.at, 'Behind a quota comes ";" and a parameter.')
  const said: Said = { windowS: null, unit: null, segment: null, missing: null, name: null }
  while (reader.next() === ';') {
    reader.at++
    const nameAt = reader.at
    const name = reader.match(paramName) ?? ''
    if (reader.next() !== '=') throw new Fault(nameAt, 'A parameter is w=, u=, s=, missing= or name=.')
    reader.at++
    const valueAt = reader.at
    readParam(name, reader.match(paramValue) ?? '', said, { name: nameAt, value: valueAt })
  }
  if (said.windowS === null) throw new Fault(reader.at, 'A policy has a window, w= in seconds.')
  const { windowS, segment, missing, name } = said
  const unit = said.unit ?? 'request'
  const quotaMicro = microOf(digits)
  if (unit === 'request' && quotaMicro > 0 && quotaMicro < micro)
    throw new Fault(from, 'Less than one request never fits: take a longer window, or 0 for none at all.')
  const text =
    `${quotaText(quotaMicro)};w=${windowS};u=${unit}` +
    (segment === null ? '' : `;s=${segment}`) +
    (missing === null ? '' : `;missing=${missing}`) +
    (name === null ? '' : `;name=${name}`)
  return { quotaMicro, windowS, unit, segment, missing, name, text }
}

/**
 * Reads one to eight policies, separated by commas:
 * `policy = quota *( ";" ( "w=" seconds / "u=" unit / "s=" segment / "missing=" word / "name=" token ) )`, `w=` required.
 * Blanks may stand around commas alone. Helicone's form is a part of this one.
 */
export const parseLimitPolicies = (text: string): ParsedLimitPolicies => {
  const reader = new Reader(text)
  const policies: LimitPolicy[] = []
  try {
    for (;;) {
      reader.match(blanks)
      if (policies.length === mostPolicies) throw new Fault(reader.at, `At most ${mostPolicies} policies are taken.`)
      policies.push(readPolicy(reader))
      reader.match(blanks)
      if (reader.at === text.length) return { policies, fault: null }
      if (reader.next() !== ',')
        throw new Fault(reader.at, 'Behind a policy comes ";" and a parameter, or "," and another policy.')
      reader.at++
    }
  } catch (cause) {
    if (cause instanceof Fault) return { policies: null, fault: { at: cause.at, message: cause.message } }
    throw cause
  }
}
