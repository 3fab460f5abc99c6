import type { IncomingMessage, ServerResponse } from 'node:http'
import { z } from 'zod'
import { channelDoor } from '../../core/internal/channel-door.js'
import type { ProxyFacts } from '../../core/internal/facts.js'
import { tenantId, type TenantId } from '../../core/tenant.js'
import type { ControlLine } from './control-line.js'

interface Options {
  readonly tokens: readonly (string | null)[]
  readonly control: ControlLine
  readonly facts: () => ProxyFacts
  /** Forgets every kept answer of a tenant. @returns How many. @throws where they cannot be reached. */
  readonly purge: (tenant: TenantId) => Promise<number>
  readonly log: { error(fields: object, message: string): void; warn(fields: object, message: string): void }
}

const purgeOf = z.strictObject({ tenant: z.string().regex(/^[a-z0-9][a-z0-9_-]{0,63}$/) })

/** What other roles may ask of a proxy, and tell it. */
export const proxyChannel = ({
  tokens,
  control,
  facts,
  purge,
  log,
}: Options): ((req: IncomingMessage, res: ServerResponse) => boolean) =>
  channelDoor({
    tokens,
    failed: (cause) => log.error({ err: cause }, 'A question of another role failed.'),
    routes: {
      'GET /internal/facts': () => ({ status: 200, body: facts() }),
      'POST /internal/beat': () => ({ status: 200, body: { digest: control.heard() } }),
      'PUT /internal/snapshot': async (body) => {
        const taken = await control.take(body)
        if (taken.state === 'older') return { status: 409, body: { madeAt: taken.madeAt } }
        if (taken.state === 'refused') return { status: 422, body: { error: taken.reason } }
        return { status: 200, body: {} }
      },
      'POST /internal/cache/purge': async (body) => {
        const { tenant } = purgeOf.parse(body)
        const removed = await purge(tenantId(tenant))
        log.warn({}, `The cache was purged for the tenant ${tenant}: ${removed} answers.`)
        return { status: 200, body: { removed } }
      },
    },
  })
