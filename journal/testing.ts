import { spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { encodeExchange, nobody, type Outgoing } from '../core/exchange.js'
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
  identity: nobody,
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

const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)

/** A process that appends without end, and notes in a file the id of each call whose start, and whose end, is acknowledged. */
export const appendingProcess = (dir: string, notes: string): ChildProcess =>
  spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      `import { openJournal } from ${module('./open.ts')}
       import { encodeExchange } from ${module('../core/exchange.ts')}
       import { openSync, writeSync } from 'node:fs'
       const notes = openSync(${JSON.stringify(notes)}, 'a')
       const journal = await openJournal({ dir: ${JSON.stringify(dir)}, durability: 'standard', limitBytes: 1e9, now: Date.now, segmentBytes: 100_000 })
       const event = (kind, id) => encodeExchange({ v: 1, id, kind, tenant: 'acme', outcome: 'complete', reqBody: { pieces: [Buffer.alloc(700)], length: 700, encoding: null, truncated: false }, resBody: null })
       let n = 0
       const call = () => {
         const id = 'call-' + n++
         journal.append('start', id, 'acme', event('start', id), 'standard', (failure) => {
           if (failure !== null) throw failure
           writeSync(notes, 'start ' + id + '\\n')
           journal.append('end', id, 'acme', event('end', id), 'standard', (failed) => {
             if (failed !== null) throw failed
             writeSync(notes, 'end ' + id + '\\n')
             call()
           })
         })
       }
       for (let i = 0; i < 32; i++) call()`,
    ],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
