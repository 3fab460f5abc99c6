import { maskSecrets } from '../redact.js'

/** The longest error text that is kept (wire.md §5). */
const maxBytes = 4096

/** An upstream's error text as it may be stored: keys masked, because providers quote the key they refuse; at most 4 KiB. */
export const errorText = (text: string): string => {
  const masked = maskSecrets(text)
  if (masked.length * 3 <= maxBytes) return masked
  const bytes = Buffer.from(masked)
  if (bytes.length <= maxBytes) return masked
  let end = maxBytes
  while (end > 0 && ((bytes[end] as number) & 0xc0) === 0x80) end--
  return bytes.toString('utf8', 0, end)
}
