import type { Db } from '../db.js'

/** Which version of the engine answers? Fails when none does. */
export const engineVersion = async (db: Db): Promise<string> => {
  const [row] = await db.rows<{ version: string }>('engine-version', 'SELECT version() AS version')
  return row?.version ?? ''
}
