import { createHash } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { nobody } from '../../core/exchange.js'
import { traceIds } from './trace-ids.js'

const first = (text: string, hexDigits: number): string => createHash('sha256').update(text).digest('hex').slice(0, hexDigits)
const id = '019b0000-0000-7000-8000-000000000002'
const connection = '019b0000-0000-7000-8000-000000000001'

describe('a response that came over a connection stands below it, in its trace', () => {
  // traces.md §1: the span of a row is SHA-256 of `s1|id|call|0`.
  const parentSpanId = first(`s1|${connection}|call|0`, 16)

  test('without a session: the trace of the connection', () => {
    expect(traceIds({ identity: nobody, tenant: 'default', id, connection })).toEqual({
      traceId: traceIds({ identity: nobody, tenant: 'default', id: connection }).traceId,
      parentSpanId,
      sampled: true,
    })
  })

  test('in a session, and in a trace of the caller', () => {
    expect(traceIds({ identity: { ...nobody, sessionId: 's' }, tenant: 'default', id, connection })).toEqual({
      traceId: first('t1|default|s', 32),
      parentSpanId,
      sampled: true,
    })
    const trace = { traceId: 'a'.repeat(32), parentSpanId: 'b'.repeat(16), sampled: false }
    expect(traceIds({ identity: { ...nobody, trace }, tenant: 'default', id, connection })).toEqual({ ...trace, parentSpanId })
    expect(traceIds({ identity: { ...nobody, trace }, tenant: 'default', id: connection })).toEqual(trace)
  })
})
