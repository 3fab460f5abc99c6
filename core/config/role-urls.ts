import { ConfigError, type Env } from './parse.js'

const form = /^https?:\/\/(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(:\d{1,5})?\/?$/i

const isLocalUrl = ({ hostname }: URL): boolean =>
  hostname === 'localhost' || hostname === '[::1]' || /^127\.\d+\.\d+\.\d+$/.test(hostname)

/** Nobody else is on the network between roles: they may talk without TLS. */
const isPrivate = (env: Env): boolean => {
  const text = env.WEIR_CHANNEL_HTTP ?? ''
  if (text !== '' && text !== 'loopback' && text !== 'private')
    throw new ConfigError(`WEIR_CHANNEL_HTTP: "${text.slice(0, 100)}" is not known. Accepted: loopback, private.`)
  return text === 'private'
}

/**
 * URLs of other roles in a variable. The admin secret goes to them, so that without TLS only this machine will do, or a network that was
 * said to be private.
 *
 * @throws ConfigError
 */
const roleUrls = (env: Env, name: string, accepted: string): readonly string[] => {
  const texts = (env[name] ?? '')
    .split(',')
    .map((text) => text.trim())
    .filter((text) => text !== '')
  return texts.map((text) => {
    // A password may be in there.
    if (!form.test(text) || !URL.canParse(text))
      throw new ConfigError(
        `${name}: "${text.replace(/^.*@/, '...@').slice(0, 100)}" is not the URL of a role. Accepted: ${accepted}.`,
      )
    const url = new URL(text)
    if (url.protocol !== 'https:' && !isLocalUrl(url) && !isPrivate(env))
      throw new ConfigError(
        `${name}: the admin secret would go to ${url.origin} in clear. Accepted: https://, http:// to this machine, or with WEIR_CHANNEL_HTTP=private http:// to a network that nobody else is on.`,
      )
    return url.origin
  })
}

export interface RoleUrls {
  readonly proxiesUrls: readonly string[]
  readonly ingestUrl: string | null
}

/**
 * Where the other roles answer.
 *
 * @throws ConfigError naming the variable and what is accepted; also where there is no admin secret to come with.
 */
export const roleUrlsIn = (env: Env, adminSecret: string | null): RoleUrls => {
  isPrivate(env)
  const proxiesUrls = roleUrls(env, 'WEIR_PROXIES_URLS', 'http(s)://host:port, several with commas between')
  const ingestUrls = roleUrls(env, 'WEIR_INGEST_URL', 'one http(s)://host:port')
  const [ingestUrl = null] = ingestUrls
  if (ingestUrls.length > 1) throw new ConfigError('WEIR_INGEST_URL: there are several. Accepted: one http(s)://host:port.')
  const twice = proxiesUrls.find((url, i) => proxiesUrls.indexOf(url) !== i)
  if (twice !== undefined) throw new ConfigError(`WEIR_PROXIES_URLS: ${twice} is named twice.`)
  if (adminSecret === null && (proxiesUrls.length > 0 || ingestUrl !== null))
    throw new ConfigError(
      `${proxiesUrls.length > 0 ? 'WEIR_PROXIES_URLS' : 'WEIR_INGEST_URL'}: other roles are asked with WEIR_ADMIN_SECRET, the same for all of them; it is not set.`,
    )
  return { proxiesUrls, ingestUrl }
}
