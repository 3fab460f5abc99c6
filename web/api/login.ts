import type { Request, Response } from 'express'
import { loginSchema, type Session } from './contract.js'
import { type Access, sameSecret } from './guard.js'
import { ApiError } from './problems.js'
import { createTries, type Sessions } from './sessions.js'

/** Login and logout of browsers, by the admin secret. */
export const loginHandlers = ({
  access,
  sessions,
  adminSecret,
  now,
}: {
  access: Access
  sessions: Sessions
  adminSecret: string | null
  now: () => number
}) => {
  const tries = createTries(now)
  const state = (req: Request): Session => ({ required: access.required, signedIn: !access.required || access.admits(req) })
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
      if (adminSecret === null || !sameSecret(body.data.secret, adminSecret)) {
        tries.failed(address)
        throw new ApiError('wrong_secret', 'This is not the admin secret.', { param: 'secret' })
      }
      // Behind a proxy that speaks TLS the cookie must not travel in clear either.
      const secure = req.secure || req.headers['x-forwarded-proto'] === 'https'
      res.setHeader('set-cookie', sessions.begin(secure))
      res.json({ required: access.required, signedIn: true } satisfies Session)
    },
    end: (req: Request, res: Response): void => {
      res.setHeader('set-cookie', sessions.end(req.headers.cookie))
      res.status(204).end()
    },
  }
}
