import { z } from 'zod'
import { DbError } from '../../../clickhouse/db.js'
import { gate } from '../../../clickhouse/front/gate.js'
import { sqlAnswerSchema, sqlQuestionSchema } from '../contract.js'
import { ApiError } from '../problems.js'
import { post } from '../route.js'

const compact = z.object({ meta: z.array(z.object({ name: z.string(), type: z.string() })), data: z.array(z.array(z.unknown())) })

/** Faults of the store itself; any other code is about the text, whose author may read what the engine says of it. */
const isTheirs = (cause: unknown): cause is DbError => cause instanceof DbError && cause.code !== 0

export const sqlRoutes = [
  post('/api/sql', {
    summary: 'Runs one reading statement, limited to 10 s and 10,000 rows. It sees every tenant',
    needs: 'sql here',
    body: sqlQuestionSchema,
    answer: sqlAnswerSchema,
    handle: async ({ db }, { body }) => {
      const { sql, refused } = gate(body.sql)
      if (refused !== null) throw new ApiError('bad_sql', refused.message, { param: 'sql' })
      try {
        const { bytes, elapsedMs, rowsRead, bytesRead } = await db.raw(sql, { format: 'JSONCompact', params: body.params })
        const { meta, data } = compact.parse(JSON.parse(Buffer.from(bytes).toString('utf8')))
        return { columns: meta, rows: data, elapsedMs, rowsRead, bytesRead }
      } catch (cause) {
        if (isTheirs(cause)) throw new ApiError('bad_sql', cause.message.slice(0, 2000), { param: 'sql', cause })
        if (cause instanceof SyntaxError || cause instanceof z.ZodError)
          throw new ApiError(
            'bad_sql',
            'The statement names a FORMAT of its own. Leave it out here; the front on the SQL port takes any.',
            { param: 'sql', cause },
          )
        throw cause
      }
    },
  }),
]
