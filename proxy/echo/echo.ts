import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Config } from '../../core/config.js'
import { WeirError } from '../../core/errors.js'
import { maskSecrets } from '../../core/redact.js'
import { ClientGone } from '../admit/read-body.js'
import type { Call } from '../call.js'
import { watchClient } from '../client.js'
import { cutPathKey } from '../identify/credentials.js'
import { familyOfPath, type Known } from '../identify/locate.js'
import type { CallRecord } from '../record.js'
import type { House } from '../serve.js'
import { maskedPath, maskedValue } from './masked.js'
import { steeringSaid } from './steering-said.js'
import { targetSaid, targetsSaid, type TargetSaid } from './targets-said.js'

interface EchoDeps {
  readonly config: Config
  readonly house: Pick<House, 'identify' | 'admit' | 'doorkeeper' | 'failed'>
  /** A record that nobody writes. */
  readonly record: () => CallRecord
}

const echoPath = /^\/(?:weir|helicone)\/test(?=[/?]|$)/

/** What an echo is asked about. */
export interface Echoed {
  /** The call's own; a key may stand before its path. */
  readonly url: string
  /** It leads nowhere: the caller and the headers alone are wanted. */
  readonly bare: boolean
}

/** @returns `null` when the URL is none of an echo (headers.md §2.1). */
export const echoedIn = (url: string): Echoed | null => {
  if (!url.includes('/test')) return null
  const { key, url: path } = cutPathKey(url)
  if (!echoPath.test(path)) return null
  const rest = path.replace(echoPath, '')
  const bare = rest === '' || rest === '/' || rest.startsWith('?')
  return { url: `${key === null ? '' : `/${key}`}${bare ? '' : rest}` || '/', bare }
}

const nowhere: Known = { target: null, unifiedPath: null, helicone: false, endpoint: '' }
const froms = { header: 'header', config: 'Weir-Config', default: 'defaults' } as const

const headersSaid = ({ own, identity, providerKeys }: Call): Record<string, { value: string; from: string }> => ({
  ...Object.fromEntries(
    [...own].map(([key, { header, value, from }]) => [header.name, { value: maskedValue(key, value), from: froms[from] }]),
  ),
  ...Object.fromEntries(
    Object.entries(identity.properties).map(([key, value]) => [`Property-${key}`, { value: maskSecrets(value), from: 'header' }]),
  ),
  ...Object.fromEntries([...providerKeys.keys()].map((provider) => [`${provider}-Key`, { value: '***', from: 'header' }])),
})

const errorSaid = ({ status, code, message, param }: WeirError) => ({ status, code, message: maskSecrets(message), param })

/**
 * Answers what would become of a call, by the very stages a call goes through: nothing is sent upstream, nothing recorded.
 *
 * @returns 200 whatever the call would get, which stands under `error`; a caller who may not call learns nothing but that.
 */
export const echoBy =
  ({ config, house, record: newRecord }: EchoDeps) =>
  async (req: IncomingMessage, res: ServerResponse, { url, bare }: Echoed): Promise<void> => {
    const record = newRecord()
    const client = watchClient(res)
    req.url = url
    let call: Call | null = null
    let targets: readonly TargetSaid[] = []
    let error: WeirError | null = null
    try {
      call = house.identify(req, record.id, bare ? nowhere : null)
      record.identified(call)
      house.doorkeeper()
      if (call.target?.route.lane === 'relay') targets = [targetSaid(call, call.target, null)]
      else if (!bare && (call.unifiedPath === null || call.method === 'POST')) {
        const admitted = await house.admit(call, req, res, record, client)
        try {
          targets = targetsSaid(admitted, record.asked)
        } finally {
          admitted.body.release()
        }
      }
    } catch (cause) {
      if (cause instanceof ClientGone || client.gone) return void res.destroy()
      error =
        cause instanceof WeirError ? cause : new WeirError('internal', 'Weir failed on this call; its log says why.', { cause })
      if (error.code === 'internal') house.failed(cause)
    }
    const stranger = error?.code.startsWith('auth_') === true
    if (stranger) call = null
    const target = stranger ? null : record.target
    const said = {
      method: req.method ?? 'GET',
      path: bare ? null : maskedPath(url),
      caller:
        call === null
          ? null
          : { tenant: call.tenant, key: call.identity.keyId === '' ? null : call.identity.keyId, allowed: call.caller.allowed },
      route:
        target === null
          ? null
          : {
              provider: target.provider.name,
              family: target.route.family,
              api: target.route.api,
              lane: target.route.lane,
            },
      targets,
      headers: call === null ? {} : headersSaid(call),
      identity:
        call === null ? null : { ...call.identity, keyId: undefined, userId: call.identity.userId ?? record.asked?.user ?? null },
      steering: call === null ? null : steeringSaid(call, config),
      warnings: record.warnings,
      error: error === null ? null : errorSaid(error),
      family: bare ? null : (target?.route.family ?? familyOfPath(url)),
    }
    const body = Buffer.from(`${JSON.stringify(said, null, 2)}\n`)
    res.writeHead(stranger ? 401 : 200, {
      'content-type': 'application/json; charset=utf-8',
      'content-length': body.length,
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(error === null ? {} : { 'weir-error': error.code }),
      ...(req.complete ? {} : { connection: 'close' }),
    })
    res.end(req.method === 'HEAD' ? undefined : body)
  }
