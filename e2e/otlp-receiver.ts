import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { gunzipSync } from 'node:zlib'

export type AttributeValue = string | number | boolean | readonly AttributeValue[]

/** A span as it came over the wire; both encodings make the same. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: Readonly<Record<string, AttributeValue>>
  readonly events: readonly {
    readonly name: string
    readonly timeUnixNano: string
    readonly attributes: Readonly<Record<string, AttributeValue>>
  }[]
  readonly status: { readonly code: number; readonly message: string }
  readonly resource: Readonly<Record<string, AttributeValue>>
}

export interface ReceivedRequest {
  readonly headers: IncomingMessage['headers']
  /** After content codings are undone. */
  readonly body: Buffer
  readonly spans: readonly ReceivedSpan[]
}

/** What to answer. `hang` never answers, `close` destroys the socket. */
export type OtlpReply =
  | { readonly kind: 'ok' }
  | { readonly kind: 'partial'; readonly rejectedSpans: number; readonly errorMessage: string }
  | { readonly kind: 'status'; readonly status: number; readonly retryAfter?: string; readonly body?: string }
  | { readonly kind: 'hang' }
  | { readonly kind: 'close' }

export interface OtlpReceiver {
  /** The whole URL, for `endpoint`. */
  readonly endpoint: string
  /** Every request whose body came in whole, in order, whatever was answered. */
  readonly requests: readonly ReceivedRequest[]
  /** Spans of requests that were answered with 200. */
  accepted(): ReceivedSpan[]
  /** Decides from now on. */
  answer(decide: (request: ReceivedRequest) => OtlpReply): void
  close(): Promise<void>
}

type Field = readonly [number: number, wire: number, value: bigint | Buffer]

/** The fields of one protobuf message, in order. */
const fieldsOf = (bytes: Buffer): Field[] => {
  const fields: Field[] = []
  let at = 0
  const varint = (): bigint => {
    let value = 0n
    for (let shift = 0n; ; shift += 7n) {
      const byte = bytes[at++]
      if (byte === undefined) throw new Error('The message ends inside a number.')
      value |= BigInt(byte & 0x7f) << shift
      if (byte < 0x80) return value
    }
  }
  const take = (length: number): Buffer => {
    if (at + length > bytes.length) throw new Error('The message ends inside a field.')
    return bytes.subarray(at, (at += length))
  }
  while (at < bytes.length) {
    const tag = Number(varint())
    const wire = tag & 7
    if (wire === 0) fields.push([tag >> 3, wire, varint()])
    else if (wire === 1) fields.push([tag >> 3, wire, take(8)])
    else if (wire === 2) fields.push([tag >> 3, wire, take(Number(varint()))])
    else if (wire === 5) fields.push([tag >> 3, wire, take(4)])
    else throw new Error(`Wire type ${wire} is not used by OTLP.`)
  }
  return fields
}

const all = (fields: readonly Field[], number: number): Buffer[] =>
  fields.filter(([n]) => n === number).map(([, , value]) => value as Buffer)
const bytesAt = (fields: readonly Field[], number: number): Buffer => all(fields, number)[0] ?? Buffer.alloc(0)
const textAt = (fields: readonly Field[], number: number): string => bytesAt(fields, number).toString('utf8')
const intAt = (fields: readonly Field[], number: number): number => Number(fields.find(([n]) => n === number)?.[2] ?? 0)
const fixedAt = (fields: readonly Field[], number: number): string => {
  const bytes = bytesAt(fields, number)
  return bytes.length === 8 ? String(bytes.readBigUInt64LE()) : '0'
}

const protoValue = (bytes: Buffer): AttributeValue => {
  const [number, , value] = fieldsOf(bytes)[0] ?? [0, 0, 0n]
  if (number === 1) return (value as Buffer).toString('utf8')
  if (number === 2) return value === 1n
  if (number === 3) return Number(BigInt.asIntN(64, value as bigint))
  if (number === 4) return (value as Buffer).readDoubleLE()
  if (number === 5) return all(fieldsOf(value as Buffer), 1).map(protoValue)
  throw new Error(`Attribute kind ${number} is not expected.`)
}
const protoAttributes = (list: readonly Buffer[]): Record<string, AttributeValue> =>
  Object.fromEntries(
    list.map((pair) => {
      const fields = fieldsOf(pair)
      return [textAt(fields, 1), protoValue(bytesAt(fields, 2))]
    }),
  )

const protoSpan = (bytes: Buffer, resource: Record<string, AttributeValue>): ReceivedSpan => {
  const fields = fieldsOf(bytes)
  const status = fieldsOf(bytesAt(fields, 15))
  return {
    traceId: bytesAt(fields, 1).toString('hex'),
    spanId: bytesAt(fields, 2).toString('hex'),
    parentSpanId: bytesAt(fields, 4).toString('hex'),
    name: textAt(fields, 5),
    kind: intAt(fields, 6),
    startTimeUnixNano: fixedAt(fields, 7),
    endTimeUnixNano: fixedAt(fields, 8),
    attributes: protoAttributes(all(fields, 9)),
    events: all(fields, 11).map((event) => {
      const parts = fieldsOf(event)
      return { name: textAt(parts, 2), timeUnixNano: fixedAt(parts, 1), attributes: protoAttributes(all(parts, 3)) }
    }),
    status: { code: intAt(status, 3), message: textAt(status, 2) },
    resource,
  }
}

const spansOfProtobuf = (body: Buffer): ReceivedSpan[] =>
  all(fieldsOf(body), 1).flatMap((resourceSpans) => {
    const fields = fieldsOf(resourceSpans)
    const resource = protoAttributes(all(fieldsOf(bytesAt(fields, 1)), 1))
    return all(fields, 2).flatMap((scope) => all(fieldsOf(scope), 2).map((span) => protoSpan(span, resource)))
  })

interface JsonValue {
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly intValue?: number | string
  readonly doubleValue?: number
  readonly arrayValue?: { readonly values: readonly JsonValue[] }
}
interface JsonAttribute {
  readonly key: string
  readonly value: JsonValue
}
const jsonValue = (value: JsonValue): AttributeValue =>
  value.stringValue ??
  value.boolValue ??
  (value.intValue === undefined ? undefined : Number(value.intValue)) ??
  value.doubleValue ??
  (value.arrayValue?.values ?? []).map(jsonValue)
const jsonAttributes = (list: readonly JsonAttribute[] = []): Record<string, AttributeValue> =>
  Object.fromEntries(list.map(({ key, value }) => [key, jsonValue(value)]))

interface JsonRequest {
  readonly resourceSpans: readonly {
    readonly resource?: { readonly attributes?: readonly JsonAttribute[] }
    readonly scopeSpans: readonly {
      readonly spans: readonly {
        readonly traceId: string
        readonly spanId: string
        readonly parentSpanId?: string
        readonly name: string
        readonly kind: number
        readonly startTimeUnixNano: string
        readonly endTimeUnixNano: string
        readonly attributes?: readonly JsonAttribute[]
        readonly events?: readonly {
          readonly name: string
          readonly timeUnixNano: string
          readonly attributes?: readonly JsonAttribute[]
        }[]
        readonly status?: { readonly code?: number; readonly message?: string }
      }[]
    }[]
  }[]
}

const spansOfJson = (body: Buffer): ReceivedSpan[] =>
  (JSON.parse(body.toString('utf8')) as JsonRequest).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => ({
        traceId: span.traceId,
        spanId: span.spanId,
        parentSpanId: span.parentSpanId ?? '',
        name: span.name,
        kind: span.kind,
        startTimeUnixNano: span.startTimeUnixNano,
        endTimeUnixNano: span.endTimeUnixNano,
        attributes: jsonAttributes(span.attributes),
        events: (span.events ?? []).map((event) => ({
          name: event.name,
          timeUnixNano: event.timeUnixNano,
          attributes: jsonAttributes(event.attributes),
        })),
        status: { code: span.status?.code ?? 0, message: span.status?.message ?? '' },
        resource: jsonAttributes(resource?.attributes),
      })),
    ),
  )

const lengthDelimited = (number: number, bytes: Buffer): Buffer =>
  Buffer.concat([Buffer.from([(number << 3) | 2, bytes.length]), bytes])
const partialBody = (json: boolean, rejectedSpans: number, errorMessage: string): Buffer => {
  if (json) return Buffer.from(JSON.stringify({ partialSuccess: { rejectedSpans: String(rejectedSpans), errorMessage } }))
  if (rejectedSpans > 127 || errorMessage.length > 100) throw new Error('This receiver writes small figures only.')
  return lengthDelimited(1, Buffer.concat([Buffer.from([8, rejectedSpans]), lengthDelimited(2, Buffer.from(errorMessage))]))
}

const bodyOf = async (req: IncomingMessage): Promise<Buffer> => {
  const chunks: Buffer[] = []
  for await (const chunk of req) chunks.push(chunk as Buffer)
  const body = Buffer.concat(chunks)
  return req.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
}

const reply = (res: ServerResponse, json: boolean, decided: OtlpReply): void => {
  const type = json ? 'application/json' : 'application/x-protobuf'
  if (decided.kind === 'hang') return
  if (decided.kind === 'close') return void res.destroy()
  if (decided.kind === 'status') {
    res.writeHead(decided.status, decided.retryAfter === undefined ? {} : { 'retry-after': decided.retryAfter })
    res.end(decided.body ?? '')
    return
  }
  const body =
    decided.kind === 'ok' ? Buffer.from(json ? '{}' : '') : partialBody(json, decided.rejectedSpans, decided.errorMessage)
  res.writeHead(200, { 'content-type': type })
  res.end(body)
}

/** An OTLP/HTTP trace receiver on a free port: protobuf and JSON, gzip; answers as it is told. */
export const startOtlpReceiver = async (port = 0): Promise<OtlpReceiver> => {
  const requests: ReceivedRequest[] = []
  const taken: ReceivedSpan[] = []
  let decide: (request: ReceivedRequest) => OtlpReply = () => ({ kind: 'ok' })

  const serve = async (req: IncomingMessage, res: ServerResponse): Promise<void> => {
    const json = req.headers['content-type'] === 'application/json'
    const body = await bodyOf(req)
    const request = { headers: req.headers, body, spans: json ? spansOfJson(body) : spansOfProtobuf(body) }
    requests.push(request)
    const decided = decide(request)
    if (decided.kind === 'ok' || decided.kind === 'partial') taken.push(...request.spans)
    reply(res, json, decided)
  }
  const server = createServer((req, res) => {
    serve(req, res).catch((cause: unknown) => {
      res.writeHead(400)
      res.end(String(cause))
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1/traces`,
    requests,
    accepted: () => [...taken],
    answer(next) {
      decide = next
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
