/** What stands before one of the names in a `Host`, whatever its port; `null` = it is under none of them. */
export type HostLabel = (host: string | undefined) => string | null

/** @returns `null` where no name is given: then nobody looks at the `Host`. */
export const hostLabelBy = (names: readonly string[]): HostLabel | null => {
  if (names.length === 0) return null
  const ends = names.map((name) => `.${name}`)
  return (host) => {
    const bare = (host ?? '').replace(/:\d+$/, '').toLowerCase()
    const end = ends.find((each) => bare.endsWith(each))
    const label = end === undefined ? '' : bare.slice(0, -end.length)
    return /^[a-z0-9-]{1,63}$/.test(label) ? label : null
  }
}
