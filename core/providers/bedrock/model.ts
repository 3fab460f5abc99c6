/** A model of Bedrock, as the price book looks for it. */
export interface BedrockModel {
  /** `anthropic.claude-haiku-4-5-20251001-v1:0`; `null` when the id names a resource of the account that does not say its model. */
  readonly model: string | null
  /** Geography that may serve the call: `us`, `eu`, `apac`, `global` ...; `null` = the region that was called. */
  readonly region: string | null
}

/** Resources whose last part is the name of a model; that of others (application profiles, provisioned throughput) is an id. */
const namedResource = /^arn:[^:]*:bedrock:[^:]*:[^:]*:(?:foundation-model|inference-profile|system-tool)\/(.+)$/
/** Two letters or a word, before the name of a vendor, which is never that short: `us-gov.anthropic.claude-3-haiku-20240307-v1:0`. */
const geography = /^([a-z]{2}(?:-[a-z]+)?|apac|emea|amer|latam|global)\.(?=[a-z0-9-]+\.)/

const unescaped = (text: string): string => {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/**
 * The id of a model as a path holds it, without escapes; an ARN that names a model is resolved to its last part, any other stays whole.
 *
 * @param id `amazon.titan-embed-text-v2%3A0`, `arn%3Aaws%3Abedrock%3Aus-east-1%3A%3Afoundation-model%2Fmeta.llama3-8b-instruct-v1%3A0`.
 */
export const bedrockModelId = (id: string): string => {
  let text = unescaped(id)
  // Clients that sign by SigV4 escape twice, and some send what they signed.
  if (/%(?:3a|2f)/i.test(text)) text = unescaped(text)
  return namedResource.exec(text)?.[1] ?? text
}

/** Takes an id apart into what the price book asks for. Pure. */
export const bedrockModel = (id: string): BedrockModel => {
  const name = bedrockModelId(id.trim()).toLowerCase()
  if (name.startsWith('arn:')) return { model: null, region: null }
  const region = geography.exec(name)?.[1] ?? null
  return { model: region === null ? name : name.slice(region.length + 1), region }
}
