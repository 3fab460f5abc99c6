import { mkdir, statfs } from 'node:fs/promises'

const GiB = 1024 ** 3

/**
 * Bytes the journal may take: as told, or a share of its disk, then at least 2 and at most 20 GiB (reliability.md §10).
 *
 * @param dir The journal's folder; created when it is missing.
 */
export const journalLimitBytes = async (
  dir: string,
  limit: { readonly percent: number } | { readonly bytes: number },
): Promise<number> => {
  if ('bytes' in limit) return limit.bytes
  await mkdir(dir, { recursive: true, mode: 0o700 })
  const { blocks, bsize } = await statfs(dir)
  return clampedShare(blocks * bsize, limit.percent)
}

export const clampedShare = (diskBytes: number, percent: number): number =>
  Math.min(20 * GiB, Math.max(2 * GiB, Math.floor((diskBytes * percent) / 100)))
