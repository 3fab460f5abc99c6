import type { Request, Response } from 'express'
import type { Scope } from '../../core/config/weir-key.js'
import type { TenantId } from '../../core/tenant.js'
import type { Asker } from './asker.js'
import { createTail, type Facts, type Tail } from './tail.js'

/** What a key must hold to listen. */
export const liveNeeds: readonly Scope[] = ['read-metrics']

export interface Live {
  /**
   * Answers GET /api/live with the rows of the asker's tenant.
   *
   * @param ask Who listens; throws once that is nobody any more, which ends the stream.
   */
  listen(req: Request, res: Response, ask: () => Asker): Promise<void>
  /** Ends all streams. */
  close(): void
}

/** The tails of all tenants that somebody listens to. */
export const createLive = (facts: Facts): Live => {
  const tails = new Map<TenantId, Tail>()
  const tailOf = (tenant: TenantId): Tail => {
    const running = tails.get(tenant)
    if (running !== undefined) return running
    const tail = createTail(tenant, facts, () => {
      if (tails.get(tenant) === tail) tails.delete(tenant)
    })
    tails.set(tenant, tail)
    return tail
  }
  return {
    listen: async (req, res, ask) => {
      const { tenant } = ask()
      const tail = tailOf(tenant)
      try {
        await tail.listen(req, res, ask)
      } catch (cause) {
        if (tail.isResting()) tails.delete(tenant)
        throw cause
      }
    },
    close: () => {
      for (const tail of tails.values()) tail.close()
    },
  }
}
