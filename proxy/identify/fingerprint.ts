import { createHmac } from 'node:crypto'

/** A short, stable name for a key that tells nothing about it: HMAC-SHA-256 under this installation's secret. Remembers 10,000 keys. */
export const fingerprinter = (secret: Buffer): ((key: string) => string) => {
  const known = new Map<string, string>()
  return (key) => {
    let found = known.get(key)
    if (found === undefined) {
      found = createHmac('sha256', secret).update(key).digest('hex').slice(0, 12)
      if (known.size >= 10_000) known.clear()
      known.set(key, found)
    }
    return found
  }
}
