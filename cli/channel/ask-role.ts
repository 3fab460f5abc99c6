/** The role answered, and not as it was wished. */
export class RoleRefused extends Error {
  readonly status: number
  /** What it said; JSON, where it was. */
  readonly body: unknown
  constructor(status: number, body: unknown) {
    super(`It answered ${status}.`)
    this.name = 'RoleRefused'
    this.status = status
    this.body = body
  }
}

/** Another role of this house, and what opens its door. */
export interface RoleAddress {
  readonly url: string
  /** `null` = nothing does. */
  readonly token: string | null
}

interface Question {
  readonly method: 'GET' | 'POST' | 'PUT'
  readonly path: string
  readonly body?: unknown
  readonly timeoutMs?: number
}

/**
 * Asks a role on its `/internal/*`. The secret goes to this address and to no other: what points elsewhere is not followed.
 *
 * @throws RoleRefused; whatever `fetch` throws when nobody answers in time.
 */
export const askRole = async (
  { url, token }: RoleAddress,
  { method, path, body, timeoutMs = 2000 }: Question,
): Promise<unknown> => {
  const answer = await fetch(`${url}${path}`, {
    method,
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
    headers: {
      ...(token === null ? {} : { authorization: `Bearer ${token}` }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  })
  const said: unknown = await answer.json().catch(() => null)
  // A role that is not ready says why with 503.
  if (!answer.ok && !(path === '/readyz' && answer.status === 503)) throw new RoleRefused(answer.status, said)
  return said
}
