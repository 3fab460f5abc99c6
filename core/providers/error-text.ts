/** The longest error text that is kept (wire.md §5). */
const maxBytes = 4096

// Providers quote the key they refuse ("Incorrect API key provided: sk-..."), so what looks like one is masked before it is stored.
const secrets =
  /\b(?:sk|pk|rk|gsk|xai|pplx|csk|fw|nvapi|hf|r8|AIza|AKIA|ASIA|ghp|gho|Bearer\s+ey)[-_A-Za-z0-9]?[-_A-Za-z0-9.*]{6,}|\bey[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*|([?&]key=)[^&\s"]+/g

/** An upstream's error text as it may be stored: keys masked, at most 4 KiB, cut between characters. */
export const errorText = (text: string): string => {
  const masked = text.replaceAll(secrets, (found, query: string | undefined) =>
    query === undefined ? `${found.slice(0, 3)}***` : `${query}***`,
  )
  if (masked.length * 3 <= maxBytes) return masked
  const bytes = Buffer.from(masked)
  if (bytes.length <= maxBytes) return masked
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
