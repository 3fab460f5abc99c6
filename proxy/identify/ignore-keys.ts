/** A path into a body: names of members, `*` for every element of an array. */
export type KeyPath = readonly string[]

const mostKeys = 32

/** `"a","b.c"`: names may hold commas then, and any character but a quote. */
const quotedList = /^\s*"[^"]+"\s*(?:,\s*"[^"]+"\s*)*$/

const pathOf = (key: string): KeyPath | null => {
  const names = key.split('.')
  return names.includes('') ? null : names
}

/**
 * Body keys that do not tell calls apart: `a,b.c` or `"a","b.c"`.
 *
 * @returns `null` when it is neither, a name is missing, or there are more than 32.
 */
export const readIgnoreKeys = (text: string): readonly KeyPath[] | null => {
  const keys = text.includes('"')
    ? quotedList.test(text)
      ? [...text.matchAll(/"([^"]+)"/g)].map(([, key = '']) => key.trim())
      : null
    : text.split(',').map((key) => key.trim())
  if (keys === null || keys.length > mostKeys) return null
  const paths = keys.map(pathOf)
  return paths.every((path) => path !== null) ? paths : null
}
