import type { Config } from '../../core/config.js'
import { classifyHeader } from '../../core/headers.js'
import { OwnValues, type Ceilings, type OwnValue } from './own-values.js'
import { readSteering, type Steering } from './steering.js'

/** Headers of weir.yaml that hold where a call brings none of that name. */
export interface Preset {
  /** By name in lower case. */
  readonly values: ReadonlyMap<string, OwnValue>
  /** What they ask for by themselves. */
  readonly steering: Steering
}

export interface Presets {
  /** For a call that names no config. */
  readonly defaults: Preset
  /** By name; what `defaults` says beside it is in each. */
  readonly configs: ReadonlyMap<string, Preset>
}

/** Two ways to say the same: who says one of them has said it. */
const alternatives: Readonly<Record<string, string>> = { fallback: 'fallbacks', fallbacks: 'fallback' }

/**
 * Adds what a preset holds to what goes before it.
 *
 * @param values By name in lower case; grows.
 */
export const addBehind = (values: Map<string, OwnValue>, preset: ReadonlyMap<string, OwnValue>): void => {
  for (const [key, value] of preset) {
    const other = alternatives[key]
    if (!values.has(key) && (other === undefined || !values.has(other))) values.set(key, value)
  }
}

/** A text of weir.yaml as it would come in a header: in one line, and its UTF-8 as bytes. */
export const asHeaderValue = (text: string): string =>
  Buffer.from(text.trim().replaceAll(/[ \t]*\r?\n\s*/g, ' '), 'utf8').toString('latin1')

const noProviders = (): boolean => false

/** @param at Where they stand in weir.yaml, for messages. */
const valuesOf = (
  headers: Readonly<Record<string, string>>,
  at: string,
  from: 'config' | 'default',
): ReadonlyMap<string, OwnValue> => {
  const values = new Map<string, OwnValue>()
  for (const [name, text] of Object.entries(headers)) {
    const what = classifyHeader('weir', name.toLowerCase(), noProviders)
    const value = asHeaderValue(text)
    if (what.kind !== 'known' || value === '') continue
    values.set(what.key, { value, dialect: 'weir', header: what.header, name: `${at}.${name}`, from })
  }
  return values
}

const presetOf = (values: ReadonlyMap<string, OwnValue>, ceilings: Ceilings | undefined): Preset => ({
  values,
  steering: readSteering(
    new OwnValues(values, [], { strictHelicone: false, ...(ceilings === undefined ? {} : { ceilings }) }),
    null,
  ),
})

/**
 * What `defaults` and `configs` of weir.yaml hold, read once.
 *
 * @param ceilings Without, there are none.
 * @throws WeirError `bad_header` for a value that was never checked.
 */
export const presetsOf = ({ defaults, configs }: Pick<Config, 'defaults' | 'configs'>, ceilings?: Ceilings): Presets => {
  const byDefault = valuesOf(defaults, 'defaults', 'default')
  return {
    defaults: presetOf(byDefault, ceilings),
    configs: new Map(
      Object.entries(configs).map(([name, headers]) => {
        const values = new Map(valuesOf(headers, `configs.${name}`, 'config'))
        addBehind(values, byDefault)
        return [name, presetOf(values, ceilings)]
      }),
    ),
  }
}

export const noPresets: Presets = presetsOf({ defaults: {}, configs: {} })
