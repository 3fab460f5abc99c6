import { DbError } from '../db.js'
import { gate } from '../front/gate.js'

/**
 * A user's statement, ready to run.
 *
 * @throws DbError 164 (READONLY) when the gate refuses it.
 */
export const passGate = (text: string): string => {
  const { sql, refused } = gate(text)
  if (refused !== null) throw new DbError(164, `Code: 164. DB::Exception: ${refused.message} (READONLY)`)
  return sql
}
