import { readFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { brotliCompressSync, constants, deflateRawSync, deflateSync, gzipSync } from 'node:zlib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { forms, type Form } from './support/families.js'
import { openHouse, providersAt, type Row, type RunningHouse } from './support/house.js'
import { send, sha256Of, type Answer } from './support/send.js'

// An upstream that sends what it should not. The client gets exactly that; the row says what could not be read, and no figure on it is
// one that nobody told or counted.

const mebi = 1024 * 1024

/** What the upstream sends for a call, by the call's header `x-case`. */
interface Bad {
  readonly type: string
  readonly coding?: string
  readonly body: Buffer
}
const cases = new Map<string, Bad>()

let upstream: Server
let house: RunningHouse
let calls = 0

beforeAll(async () => {
  upstream = createServer((req, res) => {
    req.resume()
    req.on('end', () => {
      const bad = cases.get(String(req.headers['x-case']))
      if (bad === undefined) return void res.destroy()
      const { type, coding, body } = bad
      res.writeHead(200, { 'content-type': type, ...(coding === undefined ? {} : { 'content-encoding': coding }) })
      res.end(body)
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const { port } = upstream.address() as AddressInfo
  house = await openHouse({ yaml: providersAt(`http://127.0.0.1:${port}`, ['openai', 'anthropic', 'gemini']) })
})
afterAll(async () => {
  await house?.stop()
  upstream?.closeAllConnections()
  await new Promise((resolve) => upstream?.close(resolve))
})

/** Sends a call of a form and gives its one row; the client's bytes are the upstream's. */
const call = async (form: Form, bad: Bad): Promise<Row> => {
  const name = `case-${++calls}`
  cases.set(name, bad)
  const answer: Answer = await send(`${house.proxy}/${form.provider}${form.path}`, {
    headers: { 'content-type': 'application/json', authorization: 'Bearer test-key', 'x-case': name },
    body: form.body('What is the answer?'),
  })
  cases.delete(name)
  expect({ status: answer.status, end: answer.end, bytes: answer.bytes.length }).toEqual({
    status: 200,
    end: 'clean',
    bytes: bad.body.length,
  })
  expect(answer.sha256).toBe(sha256Of(bad.body))
  expect(answer.headers['content-encoding']).toBe(bad.coding)
  const row = await house.row(answer.id)
  expect(row).toMatchObject({ outcome: 'complete', status: 200, responseSha256: answer.sha256, attempts: 1 })
  expectHonest(row)
  return row
}

/** What holds for every row: no count or amount out of thin air, and none that is told to be nothing where something was said. */
const expectHonest = (row: Row): void => {
  const { inputTokens, outputTokens, cacheReadTokens, cost, costStatus, usageSource, usageReason } = row
  for (const tokens of [inputTokens, outputTokens, cacheReadTokens]) if (tokens !== null) expect(tokens).toBeGreaterThanOrEqual(0)
  if (inputTokens !== null) expect(inputTokens).toBeGreaterThan(0)
  if (costStatus === 'exact') expect(usageSource).toBe('wire')
  if (costStatus === 'unpriced') expect(cost).toBeNull()
  else expect(Number(cost)).toBeGreaterThan(0)
  if (usageSource !== 'wire') expect(usageReason).not.toBe('')
}

const streams = forms.filter(({ stream }) => stream)
const bodies = forms.filter(({ stream }) => !stream)
const eventStream = 'text/event-stream'

/** A short stream of each family: `before` stands behind its first event, and `usage` is what is told of usage. */
const streamOf = (
  { family, model }: Form,
  { before = '', usage }: { readonly before?: string | Buffer; readonly usage: Readonly<Record<string, unknown>> | string },
): Buffer => {
  const told = typeof usage === 'string' ? usage : JSON.stringify(usage)
  switch (family) {
    case 'openai': {
      const chunk = (rest: string): string =>
        `data: {"id":"chatcmpl-1","object":"chat.completion.chunk","model":"${model}",${rest}}\n\n`
      return Buffer.concat([
        Buffer.from(chunk('"choices":[{"index":0,"delta":{"role":"assistant","content":"Forty-two."},"finish_reason":null}]')),
        Buffer.from(before),
        Buffer.from(chunk('"choices":[{"index":0,"delta":{},"finish_reason":"stop"}]')),
        Buffer.from(`${chunk(`"choices":[],"usage":${told}`)}data: [DONE]\n\n`),
      ])
    }
    case 'anthropic': {
      const event = (type: string, rest: string): string => `event: ${type}\ndata: {"type":"${type}"${rest}}\n\n`
      return Buffer.concat([
        Buffer.from(
          event(
            'message_start',
            `,"message":{"id":"msg_1","type":"message","role":"assistant","model":"${model}","content":[],"usage":{}}`,
          ) +
            event('content_block_start', ',"index":0,"content_block":{"type":"text","text":""}') +
            event('content_block_delta', ',"index":0,"delta":{"type":"text_delta","text":"Forty-two."}'),
        ),
        Buffer.from(before),
        Buffer.from(
          event('content_block_stop', ',"index":0') +
            event('message_delta', `,"delta":{"stop_reason":"end_turn"},"usage":${told}`) +
            event('message_stop', ''),
        ),
      ])
    }
    case 'gemini': {
      const chunk = (rest: string): string => `data: {"responseId":"r1","modelVersion":"${model}"${rest}}\r\n\r\n`
      return Buffer.concat([
        Buffer.from(chunk(',"candidates":[{"index":0,"content":{"role":"model","parts":[{"text":"Forty-two."}]}}]')),
        Buffer.from(before),
        Buffer.from(chunk(`,"candidates":[{"index":0,"finishReason":"STOP"}],"usageMetadata":${told}`)),
      ])
    }
  }
}

/** A whole body of each family. */
const bodyOf = ({ family, model }: Form, usage: Readonly<Record<string, unknown>>, text = 'Forty-two.'): string => {
  switch (family) {
    case 'openai':
      return JSON.stringify({
        id: 'chatcmpl-1',
        object: 'chat.completion',
        model,
        choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
        usage,
      })
    case 'anthropic':
      return JSON.stringify({
        id: 'msg_1',
        type: 'message',
        role: 'assistant',
        model,
        content: [{ type: 'text', text }],
        stop_reason: 'end_turn',
        usage,
      })
    case 'gemini':
      return JSON.stringify({
        candidates: [{ content: { role: 'model', parts: [{ text }] }, finishReason: 'STOP', index: 0 }],
        usageMetadata: usage,
        modelVersion: model,
        responseId: 'r1',
      })
  }
}

/** 1,000 in, 100 out, in each family's words. */
const good: Readonly<Record<Form['family'], Readonly<Record<string, unknown>>>> = {
  openai: { prompt_tokens: 1000, completion_tokens: 100, total_tokens: 1100 },
  anthropic: { input_tokens: 1000, output_tokens: 100 },
  gemini: { promptTokenCount: 1000, candidatesTokenCount: 100, totalTokenCount: 1100 },
}
const asTold = { inputTokens: 1000, outputTokens: 100, usageSource: 'wire', usageReason: '', costStatus: 'exact' }

let restingBytes = 0
/** Resident memory of the proxy. Linux only, as the kill tests. */
const residentBytes = (): number =>
  Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${house.pids.proxy}/status`, 'utf8'))?.[1]) * 1024

test('at rest: one good call of each form', async () => {
  for (const form of forms) {
    const bad = form.stream
      ? { type: eventStream, body: streamOf(form, { usage: good[form.family] }) }
      : { type: 'application/json', body: Buffer.from(bodyOf(form, good[form.family])) }
    expect(await call(form, bad), form.name).toMatchObject({ ...asTold, usageNotes: [] })
  }
  restingBytes = residentBytes()
})

describe('compressed bombs', () => {
  const zeros = Buffer.alloc(70 * mebi)
  const packed = {
    gzip: gzipSync(zeros),
    deflate: deflateSync(zeros),
    br: brotliCompressSync(zeros, { params: { [constants.BROTLI_PARAM_QUALITY]: 4 } }),
    // A window of 1 MiB, then blocks of four bytes that stand for 128 KiB each.
    zstd: Buffer.concat([
      Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, 0x50]),
      ...Array.from({ length: 560 }, () => Buffer.from([2, 0, 0x10, 0])),
      Buffer.from([1, 0, 0]),
    ]),
  }
  const unread = {
    usageNotes: expect.arrayContaining(['unreadable']) as unknown,
    inputTokens: null,
    outputTokens: null,
    usageSource: 'none',
    usageReason: 'unreadable',
    cost: null,
    costStatus: 'unpriced',
    costReason: 'unreadable',
  }

  test.each(Object.entries(packed))('70 MiB of nothing as %s', async (coding, body) => {
    for (const form of bodies) expect(await call(form, { type: 'application/json', coding, body })).toMatchObject(unread)
    for (const form of streams) expect(await call(form, { type: eventStream, coding, body })).toMatchObject(unread)
  })

  test('64 MiB of gzip that stand for 64 GiB', async () => {
    const member = gzipSync(Buffer.alloc(10 * mebi))
    const body = Buffer.concat(Array.from({ length: Math.ceil((64 * mebi) / member.length) }, () => member))
    for (const form of [bodies[0], streams[0]] as readonly Form[])
      expect(await call(form, { type: form.stream ? eventStream : 'application/json', coding: 'gzip', body })).toMatchObject(
        unread,
      )
  })

  test.each(streams)('$name: a bomb behind some text: the text is counted, and so marked', async (form) => {
    const whole = streamOf(form, { usage: good[form.family], before: `: ${' '.repeat(70 * mebi)}\n\n` })
    const row = await call(form, { type: eventStream, coding: 'gzip', body: gzipSync(whole) })
    expect(row).toMatchObject({ usageSource: 'estimated', costStatus: 'estimated' })
    expect(row.usageNotes).toContain('unreadable')
  })
})

describe('events of 20 MiB', () => {
  const filler = 'x'.repeat(20 * mebi)

  test.each(streams)('$name: one without usage is skipped, and the usage behind it is read', async (form) => {
    const body = streamOf(form, { usage: good[form.family], before: `data: {"novelty":"${filler}"}${form.eventEnd}` })
    expect(await call(form, { type: eventStream, body })).toMatchObject({ ...asTold, usageNotes: ['event_too_large'] })
  })

  test.each(streams)('$name: one that holds the usage: counted, and so marked', async (form) => {
    const body = streamOf(form, { usage: { ...good[form.family], novelty: filler } })
    const row = await call(form, { type: eventStream, body })
    expect(row).toMatchObject({ usageSource: 'estimated', costStatus: 'estimated' })
    expect(row.usageNotes).toContain('event_too_large')
    expect(row.outputTokens).toBeGreaterThan(0)
    expect(row.outputTokens).toBeLessThan(100)
  })
})

describe.each(streams)('$name', (form) => {
  const usage = good[form.family]
  const end = form.eventEnd

  test('malformed JSON before a good usage: noted, and the usage is read', async () => {
    const first = Buffer.from(`data: {"usage":{"prompt_tokens":5,,}${end}`)
    const body = Buffer.concat([first, streamOf(form, { usage, before: `data: {"error${end}data: NaN${end}` })])
    expect(await call(form, { type: eventStream, body })).toMatchObject({ ...asTold, usageNotes: ['malformed'] })
  })

  test('events nobody knows are no fault', async () => {
    const before = `event: novelty.begun${end.slice(0, end.length / 2)}data: {"type":"novelty.begun","depth":{"usage":null}}${end}`
    const body = streamOf(form, { usage, before: `: comment${end}${before}retry: 10${end}` })
    expect(await call(form, { type: eventStream, body })).toMatchObject({ ...asTold, usageNotes: [] })
  })

  test('half a character at the end', async () => {
    const tail = Buffer.from('data: {"text":"👋').subarray(0, -2)
    const body = Buffer.concat([streamOf(form, { usage }), tail])
    expect(await call(form, { type: eventStream, body })).toMatchObject(asTold)
  })

  test.each(['application/json', 'application/json; charset=utf-8', 'text/plain'])(
    'a stream labelled %s is read',
    async (type) => {
      expect(await call(form, { type, body: streamOf(form, { usage }) })).toMatchObject({ ...asTold, usageNotes: [] })
    },
  )

  test('one whole body labelled as a stream is read', async () => {
    expect(await call(form, { type: eventStream, body: Buffer.from(bodyOf(form, usage)) })).toMatchObject(asTold)
  })

  test.each(['gzip', 'zstd'])('plain bytes labelled %s are read as they are', async (coding) => {
    const row = await call(form, { type: eventStream, coding, body: streamOf(form, { usage }) })
    expect(row).toMatchObject({ ...asTold, usageNotes: ['wrong_encoding_label'] })
  })

  test.each(['br', 'deflate', 'compress', 'gzip, br, gzip'])('plain bytes labelled %s cannot be read', async (coding) => {
    const row = await call(form, { type: eventStream, coding, body: streamOf(form, { usage }) })
    expect(row).toMatchObject({ usageSource: 'none', usageReason: 'unreadable', cost: null, costStatus: 'unpriced' })
    expect(row.usageNotes).toContain('unreadable')
  })

  test('a bare deflate stream is read, and one that is broken is not', async () => {
    const whole = streamOf(form, { usage })
    expect(await call(form, { type: eventStream, coding: 'deflate', body: deflateRawSync(whole) })).toMatchObject(asTold)
    // Block type 3, which there is not.
    const broken = Buffer.concat([gzipSync(whole).subarray(0, 10), Buffer.alloc(40, 0xff)])
    const row = await call(form, { type: eventStream, coding: 'gzip', body: broken })
    expect(row).toMatchObject({ usageNotes: ['unreadable'], usageSource: 'none', usageReason: 'unreadable', cost: null })
  })
})

/** How a usage contradicts itself, in each family's words. */
const contradictions: readonly {
  readonly what: string
  readonly usage: Readonly<Record<Form['family'], string>>
  readonly row: Readonly<Record<string, unknown>>
  readonly note: string
}[] = [
  {
    what: 'more read from the cache than there was',
    usage: {
      openai: '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":50}}',
      // Read and fresh input stand beside each other here: the lifetimes can contradict what was written.
      anthropic:
        '{"input_tokens":4,"cache_creation_input_tokens":6,"output_tokens":5,"cache_creation":{"ephemeral_5m_input_tokens":50,"ephemeral_1h_input_tokens":9}}',
      gemini: '{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":50}',
    },
    row: { inputTokens: 10, outputTokens: 5, usageSource: 'wire' },
    note: 'clamped_cache_read|ttl_split_mismatch',
  },
  {
    what: 'a negative input',
    usage: {
      openai: '{"prompt_tokens":-7,"completion_tokens":5,"total_tokens":-2}',
      anthropic: '{"input_tokens":-7,"output_tokens":5}',
      gemini: '{"promptTokenCount":-7,"candidatesTokenCount":5,"totalTokenCount":-2}',
    },
    row: { outputTokens: 5, usageSource: 'estimated', costStatus: 'estimated' },
    note: 'malformed',
  },
  {
    what: '1e30 tokens',
    usage: {
      openai: '{"prompt_tokens":1e30,"completion_tokens":5,"total_tokens":1e30}',
      anthropic: '{"input_tokens":1e30,"output_tokens":5}',
      gemini: '{"promptTokenCount":1e30,"candidatesTokenCount":5,"totalTokenCount":1e30}',
    },
    row: {},
    note: 'clamped_range',
  },
  {
    what: 'an input in words',
    usage: {
      openai: '{"prompt_tokens":"10","completion_tokens":5,"total_tokens":15}',
      anthropic: '{"input_tokens":"10","output_tokens":5}',
      gemini: '{"promptTokenCount":"10","candidatesTokenCount":5,"totalTokenCount":15}',
    },
    // Gemini's total tells what the input was.
    row: { outputTokens: 5, costStatus: 'estimated' },
    note: 'malformed',
  },
  {
    what: 'a cached part in words',
    usage: {
      openai: '{"prompt_tokens":10,"completion_tokens":5,"total_tokens":15,"prompt_tokens_details":{"cached_tokens":"3"}}',
      anthropic: '{"input_tokens":10,"output_tokens":5,"cache_read_input_tokens":"3"}',
      gemini: '{"promptTokenCount":10,"candidatesTokenCount":5,"totalTokenCount":15,"cachedContentTokenCount":"3"}',
    },
    row: { inputTokens: 10, outputTokens: 5 },
    note: 'malformed',
  },
  {
    what: 'NaN',
    usage: {
      openai: '{"prompt_tokens":NaN,"completion_tokens":5,"total_tokens":NaN}',
      anthropic: '{"input_tokens":NaN,"output_tokens":5}',
      gemini: '{"promptTokenCount":NaN,"candidatesTokenCount":5,"totalTokenCount":NaN}',
    },
    row: { usageSource: 'estimated', costStatus: 'estimated' },
    note: 'malformed',
  },
  {
    what: 'lists and objects where counts belong',
    usage: {
      openai: '{"prompt_tokens":[10],"completion_tokens":{"n":5},"total_tokens":true}',
      anthropic: '{"input_tokens":[10],"output_tokens":{"n":5}}',
      gemini: '{"promptTokenCount":[10],"candidatesTokenCount":{"n":5},"totalTokenCount":true}',
    },
    row: { usageSource: 'estimated', costStatus: 'estimated' },
    note: 'malformed',
  },
]

describe.each(streams)('$name: usage that contradicts itself', (form) => {
  test.each(contradictions)('$what', async ({ usage, row: expected, note }) => {
    const row = await call(form, { type: eventStream, body: streamOf(form, { usage: usage[form.family] }) })
    expect(row).toMatchObject(expected)
    expect(row.costStatus).not.toBe('exact')
    expect(
      row.usageNotes.some((found) => note.split('|').includes(found)),
      row.usageNotes.join(),
    ).toBe(true)
  })
})

test('afterwards: one row a call, and the memory of the proxy is given back', async () => {
  await house.caughtUp()
  const [counted] = await house.query<{ n: number; ids: number }>(
    'SELECT toUInt32(count()) AS n, toUInt32(uniqExact(request_id)) AS ids FROM requests',
  )
  expect(counted).toEqual({ n: calls, ids: calls })
  expect(house.stderr()).not.toMatch(/failed inside Weir|Uncaught/)
  await expect.poll(() => (residentBytes() - restingBytes) / mebi, { timeout: 30_000, interval: 500 }).toBeLessThan(100)
})
