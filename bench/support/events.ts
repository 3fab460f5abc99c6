import { encodeExchange, type Exchange, type Outgoing } from '../../core/exchange.js'
import { requestBytes } from './driver.js'
import { wantedJson } from './upstream.js'

const request = requestBytes('/', false)
const requestBody = request.subarray(request.indexOf('\r\n\r\n') + 4)
const usage = JSON.stringify((JSON.parse(wantedJson.toString()) as { readonly usage: unknown }).usage)
const raw = [{ source: 'usage', json: usage }]

const template: Omit<Exchange, 'id' | 'kind' | 'startedAt' | 'reqBody' | 'resBody'> = {
  v: 1,
  tenant: 'default',
  writer: '019ab000-0000-7000-8000-000000000000',
  seq: 1,
  marksUs: { admitted: 120, sent: 260, headers: 1210, firstByte: 1220, firstContent: null, lastByte: 1250, closed: 1260 },
  operation: 'chat',
  provider: 'openai',
  api: 'chat',
  endpoint: 'POST /openai/v1/chat/completions',
  target: 'openai/gpt-5-mini',
  serverAddress: '127.0.0.1:9100',
  streaming: false,
  requestModel: 'gpt-5-mini',
  responseModel: 'gpt-5-mini-2025-08-07',
  responseId: 'chatcmpl-bench',
  finishReason: 'stop',
  status: 200,
  outcome: 'complete',
  error: null,
  attempts: [
    {
      target: 'openai/gpt-5-mini',
      provider: 'openai',
      model: 'gpt-5-mini',
      status: 200,
      errorKind: '',
      startUs: 260,
      endUs: 1250,
      usageRaw: raw,
    },
  ],
  usageRaw: raw,
  priceFacts: {},
  counts: { reqBytes: requestBody.length, resBytes: wantedJson.length, chunks: 1, events: 0, contentChars: 640, toolCalls: 0 },
  sha256: { req: 'a'.repeat(64), res: 'b'.repeat(64) },
  reqHeaders: [
    ['user-agent', 'bench/1.0'],
    ['content-type', 'application/json'],
  ],
  resHeaders: [['content-type', 'application/json']],
  identity: {
    userId: 'user-17',
    sessionId: 'session-4',
    sessionName: null,
    sessionPath: '/',
    properties: { feature: 'search' },
    tags: [],
    clientRequestId: null,
    promptId: null,
    promptVersion: null,
    modelOverride: null,
    keyId: '0123456789abcdef',
    trace: null,
    omitRequest: false,
    omitResponse: false,
  },
  cache: null,
  guardrails: [],
  altered: [],
  warnings: [],
  notes: [],
  retentionDays: { rows: 400, bodies: 30 },
}

const whole = (bytes: Buffer): Outgoing['reqBody'] => ({
  pieces: [bytes],
  length: bytes.length,
  encoding: null,
  truncated: false,
})

/** The two events a call of the bench leaves, as payloads of journal records: no upstream and no proxy needed. */
export const callEvents = (id: string, startedAtMs: number): { readonly start: Uint8Array[]; readonly end: Uint8Array[] } => {
  const common = { ...template, id, startedAt: new Date(startedAtMs).toISOString() }
  return {
    start: encodeExchange({ ...common, kind: 'start', outcome: 'proxy_lost', status: 0, reqBody: null, resBody: null }),
    end: encodeExchange({ ...common, kind: 'end', reqBody: whole(requestBody), resBody: whole(wantedJson) }),
  }
}
