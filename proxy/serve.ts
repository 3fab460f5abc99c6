import type { IncomingMessage, ServerResponse } from 'node:http'
import { WeirError } from '../core/errors.js'
import type { Call } from './call.js'
import { watchClient, type Client } from './client.js'
import type { Admitted } from './admit/admit.js'
import { ClientGone } from './admit/read-body.js'
import { clientGone, deliver, type DeliverDeps } from './deliver.js'
import type { Identify } from './identify/identify.js'
import { familyOfPath, UnmatchedPath } from './identify/locate.js'
import type { ListModels } from './models/list-models.js'
import type { Obtain } from './obtain/stage.js'
import { ownHeaders } from './own-headers.js'
import { endingOf, type CallRecord } from './record.js'
import { refusalBytes, refusalHeaders, writeRefusal } from './refuse.js'

/** What a call meets on its way, in order. */
export interface House {
  /** Id and arrival time; from here one row is certain. */
  open(): CallRecord
  readonly identify: Identify
  /** Refuses by throwing when the house is draining or full. */
  doorkeeper(): void
  /** One of the places of the call's key, which `closed` gives back. Refuses by throwing. */
  takePlace(record: CallRecord, call: Call): void
  admit(call: Call, req: IncomingMessage, res: ServerResponse, record: CallRecord, client: Client): Promise<Admitted>
  readonly obtain: Obtain
  /** `null` = no limit is for it. Refuses by throwing. */
  limitRelayed(record: CallRecord): Promise<void> | null
  relay(call: Call, req: IncomingMessage, res: ServerResponse, record: CallRecord, client: Client): Promise<void>
  /** The models that a call's keys reach. */
  readonly models: ListModels
  readonly delivery: DeliverDeps
  /** The call has left. */
  closed(record: CallRecord): void
  failed(cause: unknown): void
}

/** The life of a call. */
export const serveBy = (house: House) => async (req: IncomingMessage, res: ServerResponse) => {
  const record = house.open()
  const client = watchClient(res)
  try {
    const call = house.identify(req, record.id) // path and headers -> Call; nothing else reads our headers
    record.identified(call)
    house.doorkeeper()
    house.takePlace(record, call)
    if (call.target?.route.lane === 'relay') {
      const limited = house.limitRelayed(record)
      if (limited !== null) await limited
      const models = call.unifiedPath === null ? null : await house.models(call, record)
      if (models !== null) return await deliver(models, res, record, client, house.delivery)
      return await house.relay(call, req, res, record, client) // relayed unread, one row
    }
    const admitted = await house.admit(call, req, res, record, client) // ceilings, the body, the target; refuses by throwing
    const reply = await house.obtain(admitted, record, client) // resolves with the head; the body is still flowing
    await deliver(reply, res, record, client, house.delivery) // relays; journals the end before the last byte
  } catch (cause) {
    await refuse(req, res, record, client, cause, house)
  } finally {
    house.closed(record)
  }
}

/** Our error in the caller's family, or a destroyed socket; and the row. */
const refuse = (
  req: IncomingMessage,
  res: ServerResponse,
  record: CallRecord,
  client: Client,
  cause: unknown,
  house: House,
): Promise<void> =>
  new Promise((resolve) => {
    client.serving = null
    if (cause instanceof ClientGone || client.gone) return record.end(clientGone(0), () => resolve())
    const error =
      cause instanceof WeirError ? cause : new WeirError('internal', 'Weir failed on this call; its log says why.', { cause })
    if (error.code === 'internal') house.failed(cause)
    if (error instanceof UnmatchedPath) record.rowless = true
    record.end(endingOf(error), () => {
      resolve()
      if (res.headersSent) return void res.destroy()
      try {
        const family = record.target?.route.family ?? familyOfPath(req.url ?? '/')
        const headers = [...refusalHeaders(family, error, record.attempts?.spent === true), ...ownHeaders(record, true)]
        if (record.call?.twins === true && error.status === 429) headers.push('x-helicone-error', 'rate_limited')
        if (record.call?.twins === true && error.status === 500) headers.push('helicone-error', 'true')
        if (!req.complete && hasBody(req)) headers.push('connection', 'close') // what is still being sent is not read
        writeRefusal(res, error.status, headers, refusalBytes(family, error, record.id))
      } catch (fault) {
        // What made the answer fail may make the refusal fail as well. Nobody catches it behind the journal: every call would end.
        house.failed(fault)
        res.destroy()
      }
    })
  })

const hasBody = (req: IncomingMessage): boolean =>
  req.headers['transfer-encoding'] !== undefined || (req.headers['content-length'] ?? '0') !== '0'
