/** Whether a name is one of `llama-*`: `*` stands for any text, everything else for itself. In linear time. */
export const matchesPattern = (pattern: string, name: string): boolean => {
  const [head = '', ...rest] = pattern.split('*')
  if (rest.length === 0) return pattern === name
  if (!name.startsWith(head)) return false
  let at = head.length
  for (const [i, part] of rest.entries()) {
    if (i === rest.length - 1) return name.length - part.length >= at && name.endsWith(part)
    const found = name.indexOf(part, at)
    if (found < 0) return false
    at = found + part.length
  }
  return true
}
