import { parseConditions, type Conditions } from '../../core/conditions.js'
import { WeirError } from '../../core/errors.js'
import { isObject, type JsonObject } from '../../core/providers/json-text.js'
import { parseList, StructuredFieldError, type Item } from '../../core/structured-fields.js'
import { headerText, type OwnValue, type OwnValues } from './own-values.js'
import { addressIn } from './target-url.js'

/** One target that a call names (headers.md §3.2); who that is, is found out when its body is known. */
export interface TargetAsked {
  /** `provider/model`, a provider, a model, or `@name` of weir.yaml; `null` = `url` tells. */
  readonly name: string | null
  /** An origin, perhaps with a path before the call's own. */
  readonly url: string | null
  /** Retries of its own; `null` = as the call has them. */
  readonly retries: number | null
  readonly ttftMs: number | null
  /** Of one attempt. */
  readonly timeoutMs: number | null
  /** `null` = none is given. */
  readonly weight: number | null
  /** The failures after which it may be tried; `null` = those of routing.md §3. */
  readonly on: Conditions | null
  /** The failures of its own after which the next one may be tried; `null` = those of routing.md §3. */
  readonly leaveOn: Conditions | null
  /** Flat pairs in the place of the caller's headers; `null` = the caller's. */
  readonly headers: readonly string[] | null
  /** Merged into the body. */
  readonly override: JsonObject | null
}

export interface FallbackAsked {
  /** `after`: these come after the call's own target. `whole`: these are all. */
  readonly form: 'after' | 'whole'
  /** Names the header in messages. */
  readonly header: string
  readonly targets: readonly TargetAsked[]
}

const mostTargets = 8
const mostJsonBytes = 16 * 1024

/** What a call asks of a target beside who it is. */
export type Trying = Omit<TargetAsked, 'name' | 'url'>

/** A target named alone: everything is as the call has it. */
export const noTrying: Trying = {
  retries: null,
  ttftMs: null,
  timeoutMs: null,
  weight: null,
  on: null,
  leaveOn: null,
  headers: null,
  override: null,
}

/** Both spellings are refused alike: a call that goes where it was not meant to cannot be taken back. */
const refuse = ({ name, header }: OwnValue, detail: string): never => {
  throw new WeirError('bad_header', `${name}: ${detail} accepted is ${header.grammar}.`, { param: name })
}

/** The figures a target may carry, with the most each can be. */
const figures = { retries: 10, ttft: 86_400_000, timeout: 86_400_000, weight: 1000 } as const

const targetFrom = (found: OwnValue, item: Item): TargetAsked => {
  if (item.type !== 'token' && item.type !== 'string')
    return refuse(found, `at character ${item.at} a target is a token or a quoted string;`)
  const read: Record<keyof typeof figures, number | null> = { retries: null, ttft: null, timeout: null, weight: null }
  let on: Conditions | null = null
  for (const [name, { type, value, at }] of item.params) {
    if (name === 'on') {
      const conditions = type === 'string' || type === 'token' ? parseConditions(value) : { at: 1, word: '' }
      if ('at' in conditions) refuse(found, `at character ${at} on= takes conditions, and "${conditions.word}" is none;`)
      else on = conditions
    } else if (name === 'retries' || name === 'ttft' || name === 'timeout' || name === 'weight') {
      const least = name === 'ttft' || name === 'timeout' ? 1 : 0
      if (type !== 'integer' || value < least || value > figures[name])
        refuse(found, `at character ${at} ${name}= is a whole number from ${least} to ${figures[name]};`)
      read[name] = Number(value)
    } else refuse(found, `at character ${at} "${name}" is no parameter of a target;`)
  }
  return {
    url: null,
    ...noTrying,
    name: item.value,
    retries: read.retries,
    ttftMs: read.ttft,
    timeoutMs: read.timeout,
    weight: read.weight,
    on,
  }
}

const listIn = (found: OwnValue): readonly TargetAsked[] => {
  try {
    const items = parseList(found.value)
    if (items.length > mostTargets - 1) refuse(found, `${items.length} targets are too many;`)
    return items.map((item) => targetFrom(found, item))
  } catch (cause) {
    if (cause instanceof StructuredFieldError) return refuse(found, `at character ${cause.at} ${cause.message};`)
    throw cause
  }
}

const isStatus = (value: unknown): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 100 && value <= 599

/** What no answer tells by a status: the next one is tried all the same. */
const answerless = ['network', 'timeout_connect', 'timeout_ttft', 'timeout_idle'] as const

const codesIn = (value: unknown): Conditions | null => {
  if (!Array.isArray(value)) return null
  const statuses: (readonly [number, number])[] = []
  for (const code of value) {
    if (isStatus(code)) statuses.push([code, code])
    else if (isObject(code) && isStatus(code.from) && isStatus(code.to) && code.from <= code.to)
      statuses.push([code.from, code.to])
    else return null
  }
  return { kinds: new Set(answerless), statuses }
}

const headerName = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,256}$/
const headerValue = /^[\x20-\x7e\x80-\xff\t]*$/

const headersIn = (value: unknown): readonly string[] | null => {
  if (!isObject(value)) return null
  const flat: string[] = []
  for (const [name, text] of Object.entries(value)) {
    if (!headerName.test(name) || typeof text !== 'string' || !headerValue.test(text)) return null
    flat.push(name, text)
  }
  return flat
}

/**
 * An address and its path. Helicone drops the path, and so is it done under that name.
 *
 * @returns `null` when it is none.
 */
const urlIn = (value: unknown, found: OwnValue, own: OwnValues): string | null => {
  const address = typeof value === 'string' ? addressIn(value) : null
  if (address === null) return null
  const { origin, base } = address
  if (found.dialect === 'weir' || base === '') return origin + base
  own.warn('path-dropped', found)
  return origin
}

const known: ReadonlySet<string> = new Set(['target', 'target-url', 'headers', 'onCodes', 'bodyKeyOverride'])

const entryFrom = (found: OwnValue, entry: unknown, at: number, own: OwnValues): TargetAsked => {
  const wrong = (what: string): never => refuse(found, `entry ${at}${what};`)
  if (!isObject(entry)) return wrong(' is no object')
  const { target, 'target-url': url, headers, onCodes, bodyKeyOverride } = entry
  const unknown = Object.keys(entry).find((key) => !known.has(key))
  if (unknown !== undefined) wrong(` has a key "${unknown.replaceAll(/[^ -~]/g, '?').slice(0, 64)}" that is not known`)
  const name = typeof target === 'string' && target !== '' ? target : null
  const address = urlIn(url, found, own)
  if (url !== undefined && address === null) wrong('.target-url is an http(s) URL without user, query or fragment')
  if ((name === null) === (address === null)) wrong(' names its target by "target" or by "target-url"')
  const leaveOn = onCodes === undefined ? null : codesIn(onCodes)
  if (onCodes !== undefined && leaveOn === null) wrong('.onCodes is a list of statuses and of {"from":500,"to":599}')
  const ownHeaders = headers === undefined ? null : headersIn(headers)
  if (headers !== undefined && ownHeaders === null) wrong('.headers holds texts')
  if (bodyKeyOverride !== undefined && !isObject(bodyKeyOverride)) wrong('.bodyKeyOverride is an object')
  return {
    ...noTrying,
    name,
    url: address,
    leaveOn,
    headers: ownHeaders,
    override: isObject(bodyKeyOverride) ? bodyKeyOverride : null,
  }
}

const jsonIn = (found: OwnValue, own: OwnValues): readonly TargetAsked[] => {
  if (Buffer.byteLength(found.value, 'latin1') > mostJsonBytes) return refuse(found, `over ${mostJsonBytes} bytes;`)
  let entries: unknown
  try {
    entries = JSON.parse(headerText(found.value) ?? '')
  } catch (cause) {
    const at = /position (\d+)/.exec(String(cause))?.[1]
    return refuse(found, at === undefined ? 'no JSON;' : `at character ${Number(at) + 1} no JSON;`)
  }
  if (!Array.isArray(entries) || entries.length === 0) return refuse(found, 'no list of targets;')
  if (entries.length > mostTargets) return refuse(found, `${entries.length} targets are too many;`)
  return entries.map((entry, index) => entryFrom(found, entry, index, own))
}

/** Times beyond the operator's are lowered where they are used. */
const warnedOfTimes = (targets: readonly TargetAsked[], found: OwnValue, own: OwnValues): readonly TargetAsked[] => {
  const { ttft, total } = own.ceilings.timeouts
  if (targets.some(({ ttftMs, timeoutMs }) => (ttftMs ?? 0) > ttft || (timeoutMs ?? 0) > total)) own.warn('capped', found)
  return targets
}

/**
 * Reads `Weir-Fallback` and `Fallbacks`. Where one of them is Helicone's, ours wins.
 *
 * @returns `null` when no other target is named.
 * @throws WeirError `bad_header`, in both dialects.
 */
export const readFallback = (own: OwnValues): FallbackAsked | null => {
  const after = own.get('fallback')
  const all = own.get('fallbacks')
  if (after !== undefined && all !== undefined) {
    if (all.dialect === 'weir') refuse(all, `beside ${after.name} it cannot stand: send one of them;`)
    own.warn('shadowed', all)
  }
  if (after !== undefined) {
    const targets = warnedOfTimes(listIn(after), after, own)
    return targets.length === 0 ? null : { form: 'after', header: after.name, targets }
  }
  if (all === undefined) return null
  return { form: 'whole', header: all.name, targets: warnedOfTimes(jsonIn(all, own), all, own) }
}
