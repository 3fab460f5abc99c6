const metadata = /^(?:metadata|x-aws-ec2-metadata-token)/i

/** Flat pairs without those by which a machine in a cloud asks who it is: an address of a caller's never needs them (security.md §3). */
export const withoutMetadata = (flat: readonly string[]): readonly string[] => {
  const kept: string[] = []
  for (let i = 0; i < flat.length; i += 2)
    if (!metadata.test(flat[i] as string)) kept.push(flat[i] as string, flat[i + 1] as string)
  return kept
}
