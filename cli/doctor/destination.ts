import type { ExportDestination } from '../../core/config.js'
import type { Check } from './check.js'
import { verdicts } from './check.js'

/** An export request without spans: every OTLP receiver takes it, and nothing is stored. */
const empty = { protobuf: new Uint8Array(), json: '{"resourceSpans":[]}' } as const

export const checkDestination = async ({ name, endpoint, protocol, headers }: ExportDestination): Promise<Check> => {
  const { ok, warn, fail } = verdicts(`export ${name}`)
  const { origin, pathname } = new URL(endpoint)
  const shown = origin + pathname
  try {
    const { status } = await fetch(endpoint, {
      method: 'POST',
      redirect: 'manual',
      signal: AbortSignal.timeout(5000),
      headers: { 'content-type': protocol === 'json' ? 'application/json' : 'application/x-protobuf', ...headers },
      body: empty[protocol],
    })
    if (status < 300) return ok(`${shown} takes traces`)
    if (status === 401 || status === 403)
      return fail(`${shown} refuses the credential (${status})`, 'Check its headers in weir.yaml.')
    if (status === 404 || status === 405)
      return fail(`${shown} takes no traces (${status})`, 'endpoint is the whole URL; most receivers want /v1/traces at its end.')
    return warn(`${shown} answers ${status} to an empty batch`, 'It may still take spans; the Export page shows how it goes.')
  } catch (cause) {
    const { code = (cause as Error).name } = ((cause as Error).cause ?? cause) as { code?: string }
    return fail(
      `${shown} cannot be reached (${code})`,
      'Start the receiver, or correct endpoint; calls wait in the journal meanwhile.',
    )
  }
}
