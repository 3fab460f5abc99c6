import { askProxy } from '../proxy-facts.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

export const checkProxy = async (url: string): Promise<Check> => {
  const { ok, warn, fail } = verdicts('proxy')
  const { causes } = await askProxy(url)
  const [first] = causes
  if (first === undefined) return ok(`takes calls at ${url}`)
  return first.cause === 'proxy_unreachable' ? fail(first.effect, first.advice) : warn(`${url}: ${first.effect}`, first.advice)
}
