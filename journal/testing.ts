import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { encodeExchange, type Outgoing } from '../core/exchange.js'
import { nodeDisk, type Disk } from './disk.js'
import type { Durability, JournalWriter } from './port.js'

/** A folder that is removed after the test. */
export const testFolder = (): string => {
  const dir = mkdtempSync(join(tmpdir(), 'weir-journal-'))
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
  return dir
}

const bare: Omit<Outgoing, 'id' | 'kind' | 'tenant' | 'reqBody'> = {
  v: 1,
  writer: '00000000-0000-7000-8000-000000000000',
  seq: 1,
  startedAt: '2026-11-25T12:00:00.000Z',
  marksUs: { admitted: 10, sent: 20, headers: null, firstByte: null, firstContent: null, lastByte: null, closed: null },
  operation: 'chat',
  provider: 'openai',
  api: 'chat',
  endpoint: 'POST /v1/chat/completions',
  target: 'openai',
  serverAddress: 'api.openai.com:443',
  streaming: false,
  requestModel: 'gpt-5',
  responseModel: null,
  responseId: null,
  finishReason: null,
  status: 200,
  outcome: 'complete',
  error: null,
  attempts: [],
  usageRaw: [],
  priceFacts: {},
  counts: { reqBytes: 0, resBytes: 0, chunks: 0, events: 0, contentChars: 0, toolCalls: 0 },
  sha256: { req: null, res: null },
  reqHeaders: [],
  resHeaders: [],
  resBody: null,
  identity: {
    userId: null,
    sessionId: null,
    sessionName: null,
    sessionPath: null,
    properties: {},
    tags: [],
    clientRequestId: null,
    promptId: null,
    promptVersion: null,
    modelOverride: null,
    keyId: '',
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

/** The payload of one event. */
export const event = (kind: 'start' | 'end', id: string, { tenant = 'acme', body = '' } = {}): Uint8Array[] => {
  const bytes = Buffer.from(body)
  const reqBody = body === '' ? null : { pieces: [bytes], length: bytes.length, encoding: null, truncated: false }
  return encodeExchange({ ...bare, id, kind, tenant, reqBody })
}

/** Appends one event and waits until the journal has it. Resolves with the failure, if any. */
export const append = (
  journal: JournalWriter,
  kind: 'start' | 'end',
  id: string,
  { tenant = 'acme', body = '', durability = 'off' as Durability } = {},
): Promise<Error | null> =>
  new Promise((resolve) => journal.append(kind, id, tenant, event(kind, id, { tenant, body }), durability, resolve))

/** The real disk, with some of its functions replaced. */
export const diskWith = (replaced: Partial<Disk>): Disk => ({ ...nodeDisk, ...replaced })

export const diskError = (code: 'ENOSPC' | 'EIO'): Error => Object.assign(new Error(`${code}: injected`), { code })
