/** Bytes for people: `1.2 GB`. */
export const sizeOf = (bytes: number): string => {
  const units = ['bytes', 'kB', 'MB', 'GB', 'TB']
  let size = bytes
  let unit = 0
  for (; size >= 1000 && unit < units.length - 1; unit++) size /= 1000
  return `${unit === 0 ? size : size.toFixed(1)} ${units[unit] ?? ''}`
}

/** Tells on a terminal how far a chore is, some times a second. `end` clears the line. */
export const progressOn = (stream: NodeJS.WriteStream) => {
  let toldAt = 0
  return {
    tell(text: string): void {
      if (!stream.isTTY || Date.now() - toldAt < 100) return
      toldAt = Date.now()
      stream.write(`\r\u001b[K${text}`)
    },
    end(): void {
      if (stream.isTTY) stream.write('\r\u001b[K')
    },
  }
}
