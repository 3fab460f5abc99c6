import { readFileSync } from 'node:fs'
import type { Disagreement } from './compare.js'
import { usageNames, type UsageName } from './usages.js'

/** Why another price package may differ from us by more than 1 %: one cause, reviewed. */
export interface Difference {
  readonly package: string
  readonly provider: string
  /** Names as we are asked for them; `*` stands for any run of characters. */
  readonly models: readonly string[]
  readonly usages: readonly UsageName[]
  /** Whose figure is the invoice's. `either` = both are somebody's invoice. */
  readonly right: 'ours' | 'theirs' | 'either'
  readonly reason: string
  /** The day it was looked at, `YYYY-MM-DD`. */
  readonly checked: string
}

const file = new URL('../../core/prices/differences.json', import.meta.url)

/** All reviewed differences, in the order of the file. */
export const differences = (): readonly Difference[] => JSON.parse(readFileSync(file, 'utf8')) as readonly Difference[]

const matches = (pattern: string, model: string): boolean =>
  new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*/g, '.*')}$`, 'i').test(model)

/** True when `difference` gives the reason for `disagreement`. */
export const explains = (difference: Difference, disagreement: Disagreement): boolean =>
  difference.package === disagreement.package &&
  difference.provider === disagreement.provider &&
  difference.usages.includes(disagreement.usage) &&
  difference.models.some((pattern) => matches(pattern, disagreement.model))

/** What is wrong with the file, in sentences; empty when it may be used. */
export const faultsOf = (all: readonly Difference[]): readonly string[] =>
  all.flatMap((one) => {
    const where = `${one.package}, ${one.provider}, ${one.models.join(' ')}`
    return [
      one.models.length === 0 ? `${where}: names no model.` : '',
      one.models.includes('*') ? `${where}: "*" alone would hide every later disagreement; name the models.` : '',
      one.usages.length === 0 || one.usages.some((usage) => !usageNames.includes(usage)) ? `${where}: an unknown usage.` : '',
      ['ours', 'theirs', 'either'].includes(one.right) ? '' : `${where}: right is ours, theirs or either.`,
      one.reason.length < 20 ? `${where}: the reason says too little.` : '',
      /^\d{4}-\d{2}-\d{2}$/.test(one.checked) ? '' : `${where}: checked is a date.`,
    ].filter((fault) => fault !== '')
  })
