import { decodeExchange } from '../../core/exchange.js'
import type { Gap } from '../port.js'
import type { KafkaMessage, PlacedMessage } from './port.js'

/** Of the topic's messages; ours alone, beside the event's own version. */
const messageVersion = '1'

/** What lies where in the journal of a writer. */
export interface Origin {
  readonly writer: string
  readonly at: number
}

/** An event as it lies in the topic: the record's payload, unchanged. The key keeps a session's calls in one partition. */
export const eventMessage = (payload: Buffer, { writer, at }: Origin, doubt: boolean): KafkaMessage => {
  const { id, tenant, identity } = decodeExchange(payload)
  return {
    key: `${tenant}/${identity.sessionId ?? id}`,
    value: payload,
    headers: { v: messageVersion, t: 'end', id, tenant, writer, at: String(at), doubt: doubt ? '1' : '0' },
  }
}

/** Ends the journal had no room for: how many, whose, why. */
export const gapMessage = (gap: Gap, writer: string): KafkaMessage => ({
  key: `${gap.tenant}/${writer}`,
  value: Buffer.from(JSON.stringify(gap)),
  headers: { v: messageVersion, t: 'gap', tenant: gap.tenant, writer, at: String(gap.at), doubt: '0' },
})

export const isGap = ({ headers }: PlacedMessage): boolean => headers.t === 'gap'
export const isDoubtful = ({ headers }: PlacedMessage): boolean => headers.doubt !== '0'

/** @returns `null` when it is not one of ours. */
export const readGap = ({ value, offset, headers }: PlacedMessage): Gap | null => {
  try {
    const at = Number(headers.at)
    const origin = headers.writer !== undefined && Number.isSafeInteger(at) ? { writer: headers.writer, at } : null
    const { tenant, reason, n, fromMs, toMs } = JSON.parse(value.toString('utf8')) as Partial<Gap>
    if (typeof tenant !== 'string' || typeof reason !== 'string') return null
    if (![n, fromMs, toMs].every((figure) => Number.isSafeInteger(figure))) return null
    return {
      at: offset,
      next: offset + 1,
      tenant,
      reason,
      n: n as number,
      fromMs: fromMs as number,
      toMs: toMs as number,
      ...(origin === null ? {} : { origin }),
    }
  } catch {
    return null
  }
}
