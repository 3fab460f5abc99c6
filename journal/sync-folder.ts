import { open } from 'node:fs/promises'

/** Makes the names in a folder durable. Systems that cannot sync a folder have nothing to wait for. */
export const syncFolder = async (dir: string): Promise<void> => {
  const folder = await open(dir, 'r').catch(() => null)
  if (folder === null) return
  try {
    await folder.sync()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code !== 'EINVAL' && code !== 'EPERM' && code !== 'EISDIR') throw cause
  } finally {
    await folder.close()
  }
}
