import type { Request, Response } from 'express'
import { letIn, type Access } from '../../core/access.js'
import { type FindAsker, notLetIn } from './asker.js'
import { loginSchema, type Session } from './contract.js'
import { ApiError } from './problems.js'
import { createTries, type Sessions } from './sessions.js'

/** Login and logout of browsers, by the admin secret or a Weir key that may read figures. */
export const loginHandlers = ({
  access,
  sessions,
  findAsker,
  now,
}: {
  access: () => Access
  sessions: Sessions
  findAsker: FindAsker
  now: () => number
}) => {
  const tries = createTries(now)
  const isSignedIn = (req: Request): boolean => {
    try {
      findAsker(req, [])
      return true
    } catch (cause) {
      if (cause instanceof ApiError) return false
      throw cause
    }
  }
  const state = (req: Request): Session => ({ required: !access().isOpen, signedIn: isSignedIn(req) })
  return {
    show: (req: Request, res: Response): void => {
      res.json(state(req))
    },
    begin: (req: Request, res: Response): void => {
      const address = req.socket.remoteAddress ?? ''
      const wait = tries.waitSeconds(address)
      if (wait > 0)
        throw new ApiError('too_many_logins', `Wrong secrets were tried too often. Try again in ${String(wait)} s.`, {
          retryAfterSeconds: wait,
        })
      const body = loginSchema.safeParse(req.body)
      if (!body.success) throw new ApiError('bad_body', 'Send {"secret": "..."}.', { param: 'secret' })
      const { secret } = body.data
      // Where everybody is let in, a secret that is none would make a session that is of no use later.
      const { refused } = letIn({ ...access(), isOpen: false }, secret, ['read-metrics'])
      if (refused !== null) {
        if (refused.fault === 'scope') throw notLetIn(refused)
        tries.failed(address)
        throw new ApiError('wrong_secret', refused.message, { param: 'secret' })
      }
      // Behind a proxy that speaks TLS the cookie must not travel in clear either.
      const secure = req.secure || req.headers['x-forwarded-proto'] === 'https'
      res.setHeader('set-cookie', sessions.begin(secret, secure))
      res.json({ required: !access().isOpen, signedIn: true } satisfies Session)
    },
    end: (req: Request, res: Response): void => {
      res.setHeader('set-cookie', sessions.end(req.headers.cookie))
      res.status(204).end()
    },
  }
}
