import type { WebSocket } from 'ws'
import type { Fake } from './faults.js'
import { amount } from './faults.js'
import { idsFrom, record, text } from './reply.js'
import { answerText, pieces } from './text.js'
import { textBytes, tokensFor, tokensOf } from './tokens.js'

/**
 * One Realtime session: `session.created` first; `response.create` is answered by text deltas and `response.done` with usage;
 * `session.update` and `conversation.item.create` as the real one answers them; every other event comes back as `echo`, binary as it was.
 * `x-fake: close=1011` closes after the first event.
 */
export const realtime = (socket: WebSocket, model: string, seed: string, fake: Fake): void => {
  const id = idsFrom(seed)
  let n = 0
  let promptBytes = 0
  let session: Record<string, unknown> = {
    type: 'realtime',
    object: 'realtime.session',
    id: id('sess_', 21),
    model,
    output_modalities: ['text'],
    instructions: '',
  }
  const tell = (type: string, inner: Record<string, unknown>): void =>
    socket.send(JSON.stringify({ type, event_id: id(`event_${n++}`, 21), ...inner }))

  const answer = (): void => {
    const response = id(`resp_${n}`, 21)
    const item = { id: id(`item_${n}`, 21), type: 'message', role: 'assistant' }
    const content = answerText(`${seed}:${n}`, fake)
    const tokens = tokensFor(fake, { input: tokensOf(promptBytes), text: Buffer.byteLength(content) })
    const base = { object: 'realtime.response', id: response, output_modalities: ['text'], metadata: null }
    tell('response.created', { response: { ...base, status: 'in_progress', output: [], usage: null } })
    tell('response.output_item.added', {
      response_id: response,
      output_index: 0,
      item: { ...item, status: 'in_progress', content: [] },
    })
    for (const delta of pieces(content, amount(fake, 'chunks') ?? 5))
      tell('response.output_text.delta', { response_id: response, item_id: item.id, output_index: 0, content_index: 0, delta })
    const done = { ...item, status: 'completed', content: [{ type: 'output_text', text: content }] }
    tell('response.output_item.done', { response_id: response, output_index: 0, item: done })
    tell('response.done', {
      response: {
        ...base,
        status: 'completed',
        output: [done],
        usage: {
          total_tokens: tokens.input + tokens.output,
          input_tokens: tokens.input,
          output_tokens: tokens.output,
          input_token_details: {
            text_tokens: tokens.input,
            audio_tokens: 0,
            image_tokens: 0,
            cached_tokens: tokens.cached,
            cached_tokens_details: { text_tokens: tokens.cached, audio_tokens: 0, image_tokens: 0 },
          },
          output_token_details: { text_tokens: tokens.output, audio_tokens: 0 },
        },
      },
    })
  }

  tell('session.created', { session })
  socket.on('message', (data: Buffer, binary) => {
    if (binary) return socket.send(data, { binary: true })
    const code = amount(fake, 'close')
    if (code !== null) return socket.close(code, 'asked for')
    let event: Readonly<Record<string, unknown>>
    try {
      event = record(JSON.parse(data.toString()))
    } catch {
      return tell('error', {
        error: { type: 'invalid_request_error', code: 'invalid_json', message: 'Could not parse the event.' },
      })
    }
    switch (text(event.type)) {
      case 'session.update':
        session = { ...session, ...record(event.session) }
        return tell('session.updated', { session })
      case 'conversation.item.create': {
        const item = { id: id(`item_${n}`, 21), status: 'completed', ...record(event.item) }
        promptBytes += textBytes(item)
        tell('conversation.item.added', { previous_item_id: null, item })
        return tell('conversation.item.done', { previous_item_id: null, item })
      }
      case 'response.create':
        return answer()
      default:
        return tell('echo', { received: event })
    }
  })
}
