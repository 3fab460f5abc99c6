import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { channelDoor } from '../../core/internal/channel-door.js'
import type { IngestFacts } from '../../core/internal/facts.js'
import { tenantId } from '../../core/tenant.js'
import type { RepriceJobs } from '../../web/api/house.js'
import type { Log } from '../log.js'

interface Options {
  readonly tokens: readonly (string | null)[]
  readonly facts: () => IngestFacts
  readonly reprice: RepriceJobs
  readonly log: Log
}

const whose = z
  .string()
  .nullable()
  .transform((tenant) => (tenant === null ? null : tenantId(tenant)))
const moment = z.iso.datetime().transform((text) => new Date(text))
const beginOf = z.strictObject({ whose, from: moment, to: moment, model: z.string().nullable(), dryRun: z.boolean() })
const oneOf = z.strictObject({ whose, id: z.uuid() })

/** What `weir web` may ask of an ingest that runs elsewhere, and hand to it. */
export const ingestChannel = ({
  tokens,
  facts,
  reprice,
  log,
}: Options): ((req: IncomingMessage, res: ServerResponse) => boolean) =>
  channelDoor({
    tokens,
    failed: (cause) => log.error({ err: cause }, 'A question of another role failed.'),
    routes: {
      'GET /internal/facts': () => ({ status: 200, body: facts() }),
      'POST /internal/reprice': async (body) => {
        const { whose: of, ...ask } = beginOf.parse(body)
        return { status: 200, body: { job: await reprice.begin(of, ask) } }
      },
      'POST /internal/reprice/find': async (body) => {
        const { whose: of, id } = oneOf.parse(body)
        return { status: 200, body: { job: await reprice.find(of, id) } }
      },
      'POST /internal/reprice/stop': async (body) => {
        const { whose: of, id } = oneOf.parse(body)
        await reprice.stop(of, id)
        return { status: 200, body: {} }
      },
    },
  })
