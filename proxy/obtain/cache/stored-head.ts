/** Fields of one call: what is left of a limit, when to come again, who asked, how long it took. */
const ofOneCall =
  /^(?:age|set-cookie2?|retry-after.*|(?:x-|anthropic-)?ratelimit.*|x-.*-ratelimit.*|x-should-retry|cf-ray|cf-cache-status|server-timing|openai-processing-ms|x-envoy-.*|via|connection|keep-alive|transfer-encoding|trailer)$/

/** The head of an answer as it is kept: flat pairs without what holds for one call alone. */
export const storedHead = (headers: readonly string[]): readonly string[] => {
  const kept: string[] = []
  for (let i = 0; i < headers.length; i += 2)
    if (!ofOneCall.test((headers[i] as string).toLowerCase())) kept.push(headers[i] as string, headers[i + 1] as string)
  return kept
}
