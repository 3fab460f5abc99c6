import type { CallRecord } from './record.js'

const printable = (text: string): string =>
  /^[\x21-\x7e]*$/.test(text) ? text : encodeURIComponent(text).replaceAll('%2F', '/').replaceAll('%3A', ':')

/** Our headers on an answer (headers.md §4). Flat pairs. No caller text but UUIDs and model names. */
export const ownHeaders = (record: CallRecord, failed: boolean): string[] => {
  const { call, target, asked } = record
  const headers = ['weir-id', record.id]
  if (target !== null && !failed) {
    headers.push('weir-provider', target.provider.name)
    if (asked?.model) headers.push('weir-model', printable(asked.model))
  }
  if (record.warnings.length > 0) headers.push('weir-warning', record.warnings.join(', '))
  if (call?.twins) {
    headers.push('helicone-id', call.identity.clientRequestId ?? record.id, 'helicone-status', failed ? 'failed' : 'success')
    if (target !== null && !failed) {
      headers.push('helicone-provider', target.provider.name)
      if (asked?.model) headers.push('helicone-model', printable(asked.model))
    }
  } else if (call?.identity.clientRequestId) headers.push('helicone-id', call.identity.clientRequestId)
  return headers
}
