import { randomBytes } from 'node:crypto'

const lifeMs = 12 * 3_600_000
const cookieName = 'weir_session'
const maxSessions = 1000

/** Logins of browsers. Kept in memory: a restart ends them. */
export interface Sessions {
  /** Begins one of the holder of this key; the value of its Set-Cookie. */
  begin(key: string, secure: boolean): string
  /** The key its holder signed in with; `null` = there is no such session any more. */
  keyOf(cookies: string | undefined): string | null
  /** Ends the one these cookies name; the Set-Cookie that removes it. */
  end(cookies: string | undefined): string
}

const idIn = (cookies: string | undefined): string | null =>
  new RegExp(`(?:^|;\\s*)${cookieName}=([A-Za-z0-9_-]{43})(?:;|$)`).exec(cookies ?? '')?.[1] ?? null

const attributes = 'Path=/; HttpOnly; SameSite=Strict'

export const createSessions = (now: () => number): Sessions => {
  const running = new Map<string, { readonly key: string; readonly endsAt: number }>()
  return {
    begin: (key, secure) => {
      for (const [id, { endsAt }] of running) if (endsAt <= now() || running.size >= maxSessions) running.delete(id)
      const id = randomBytes(32).toString('base64url')
      running.set(id, { key, endsAt: now() + lifeMs })
      return `${cookieName}=${id}; ${attributes}; Max-Age=${String(lifeMs / 1000)}${secure ? '; Secure' : ''}`
    },
    keyOf: (cookies) => {
      const id = idIn(cookies)
      const session = id === null ? undefined : running.get(id)
      return session !== undefined && session.endsAt > now() ? session.key : null
    },
    end: (cookies) => {
      const id = idIn(cookies)
      if (id !== null) running.delete(id)
      return `${cookieName}=; ${attributes}; Max-Age=0`
    },
  }
}

/** How often a wrong secret may be tried: 5 times a minute from one address, 60 times from all. */
export const createTries = (now: () => number) => {
  let minute = 0
  let all = 0
  const byAddress = new Map<string, number>()
  const turnMinute = (): void => {
    const current = Math.floor(now() / 60_000)
    if (current === minute) return
    minute = current
    all = 0
    byAddress.clear()
  }
  return {
    /** Seconds to wait; 0 = another try is allowed. */
    waitSeconds: (address: string): number => {
      turnMinute()
      return all >= 60 || (byAddress.get(address) ?? 0) >= 5 ? 60 - Math.floor((now() % 60_000) / 1000) : 0
    },
    failed: (address: string): void => {
      turnMinute()
      all++
      byAddress.set(address, (byAddress.get(address) ?? 0) + 1)
    },
  }
}
