import type { Usage } from '../usage.js'

interface Told {
  readonly provider: string
  /** `host:port` of the upstream. */
  readonly serverAddress: string | null
  readonly asked: Readonly<Record<string, string | number>>
}

const standardTiers = new Set(['', 'default', 'standard', 'on_demand', 'auto', 'standard_only'])

/** The service tier: the answer's, the request's only where the answer tells none. `null` = standard. */
export const tierOf = ({ serviceTier }: Usage, { asked }: Told): string | null => {
  const told = serviceTier ?? (asked.speed === 'fast' ? 'fast' : typeof asked.service_tier === 'string' ? asked.service_tier : '')
  if (standardTiers.has(told)) return null
  const tier = told.toLowerCase()
  return standardTiers.has(tier) ? null : tier
}

const openAiHost = /^(eu|us)\.api\.openai\.com(?::|$)/
const vertexHost = /^(?:([a-z0-9-]+)-)?aiplatform\.(?:([a-z]+)\.rep\.)?googleapis\.com(?::|$)/

/** Where it was served, as far as that decides a price: some regions are told, some are a host. `null` = not known, or no matter. */
export const regionOf = ({ region }: Usage, { provider, serverAddress, asked }: Told): string | null => {
  if (provider === 'openai') return serverAddress === null ? null : (openAiHost.exec(serverAddress)?.[1] ?? null)
  if (provider === 'vertex' && region === null && serverAddress !== null) {
    const host = vertexHost.exec(serverAddress)
    return host === null ? null : (host[1] ?? host[2] ?? 'global')
  }
  return region ?? (typeof asked.inference_geo === 'string' ? asked.inference_geo : null)
}
