import { expect, test } from 'vitest'
import { readEvent } from './read-event.js'
import { exchange, payloadOf } from './testing.js'

/** Length of the head, the head, nothing behind it. */
const framed = (head: unknown): Buffer => {
  const text = Buffer.from(JSON.stringify(head))
  const length = Buffer.alloc(4)
  length.writeUInt32LE(text.length)
  return Buffer.concat([length, text])
}

test('an event is read', () =>
  expect(readEvent(Buffer.from(payloadOf(exchange())))).toMatchObject({ tenant: 'default', status: 200 }))

test.each([
  ['nothing', Buffer.alloc(0)],
  ['text', Buffer.from('hello, is this the topic?')],
  ['JSON', Buffer.from('{"v":1,"id":"x"}')],
  ['our frame around something else', framed({ v: 1, id: 'order-4711', reqBody: null, resBody: null })],
  ['an id that is none', framed({ ...exchange(), id: 'call-1', reqBody: null, resBody: null })],
  ['a time that is none', framed({ ...exchange(), startedAt: 'yesterday', reqBody: null, resBody: null })],
  ['no attempts', framed({ ...exchange(), attempts: null, reqBody: null, resBody: null })],
  ['a start', framed({ ...exchange(), kind: 'start', reqBody: null, resBody: null })],
  ['an event that is cut', Buffer.from(payloadOf(exchange())).subarray(0, 200)],
])('not an event: %s', (_name, payload) => {
  expect(() => readEvent(payload)).toThrow()
})

test('of a newer Weir', () =>
  expect(() => readEvent(framed({ ...exchange(), v: 2, reqBody: null, resBody: null }))).toThrow(/newer/))
