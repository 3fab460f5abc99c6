import { createServer } from 'node:http'
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openEmbedded } from '../clickhouse/engine/embedded.js'
import { openHouse, providersAt } from '../e2e/support/house.js'
import { kafkaJars, startKafka } from '../e2e/servers/kafka/kafka.js'
import { readWriter, surveyWriter } from '../journal/survey.js'
import { writersIn } from '../journal/writer-folder.js'

// What a call takes on disk, for the sizing table of docs/operations.md: `npx tsx scripts/measure-sizes.ts [calls]`, after a build.
// Prompts and answers are cut from prose, each from another place; three in four calls belong to a session.

const calls = Number(process.argv[2] ?? 4000)
const profiles = [
  { name: 'short', asked: 1_000, answered: 1_000 },
  { name: 'chat', asked: 6_000, answered: 2_000 },
  { name: 'long', asked: 24_000, answered: 4_000 },
]

const prose = (): string => {
  const pages = readdirSync('node_modules', { recursive: true, encoding: 'utf8' })
    .filter((path) => /(README|CHANGELOG|HISTORY)\.md$/i.test(path))
    .sort()
  let text = ''
  for (const page of pages) if (text.length < 24_000_000) text += readFileSync(join('node_modules', page), 'utf8')
  return text
}

const bytesBelow = (dir: string, wanted: RegExp): number =>
  readdirSync(dir, { recursive: true, encoding: 'utf8' }).reduce((sum, path) => {
    if (!wanted.test(path)) return sum
    const found = statSync(join(dir, path))
    return found.isFile() ? sum + found.size : sum
  }, 0)

const text = prose()
const cut = (n: number, length: number): string => {
  const at = Math.floor(((n * 0.618_033_988_75) % 1) * (text.length - length))
  return text.slice(at, at + length)
}

const measure = async ({ name, asked, answered }: (typeof profiles)[number]): Promise<void> => {
  const root = mkdtempSync(join(tmpdir(), 'weir-sizes-'))
  let n = 0
  const upstream = createServer((req, res) => {
    req.resume().on('end', () => {
      const content = cut(++n * 7 + 3, answered)
      const usage = {
        prompt_tokens: Math.ceil(asked / 4),
        completion_tokens: Math.ceil(answered / 4),
        total_tokens: Math.ceil((asked + answered) / 4),
      }
      res.setHeader('content-type', 'application/json')
      res.end(
        JSON.stringify({
          id: `chatcmpl-${n}`,
          object: 'chat.completion',
          created: 1_790_000_000 + n,
          model: 'gpt-5-mini-2025-08-07',
          choices: [{ index: 0, message: { role: 'assistant', content }, finish_reason: 'stop' }],
          usage,
        }),
      )
    })
  })
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  const origin = `http://127.0.0.1:${(upstream.address() as AddressInfo).port}`

  const send = async (proxy: string): Promise<number> => {
    let bodyBytes = 0
    let next = 0
    const one = async (): Promise<void> => {
      for (let i = next++; i < calls; i = next++) {
        const body = JSON.stringify({ model: 'gpt-5-mini', messages: [{ role: 'user', content: cut(i, asked) }] })
        const answer = await fetch(`${proxy}/openai/v1/chat/completions`, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            authorization: 'Bearer k',
            'weir-user-id': `user-${i % 500}`,
            ...(i % 4 === 0 ? {} : { 'weir-session-id': `session-${Math.floor(i / 8)}`, 'weir-session-path': `/step-${i % 8}` }),
            'weir-property-feature': `feature-${i % 12}`,
            'weir-property-team': `team-${i % 5}`,
          },
          body,
        })
        bodyBytes += Buffer.byteLength(body) + (await answer.arrayBuffer()).byteLength
      }
    }
    await Promise.all(Array.from({ length: 8 }, one))
    return bodyBytes
  }
  const told = (what: string, bytes: number): void =>
    console.log(`${name.padEnd(6)} ${what.padEnd(34)} ${(bytes / calls).toFixed(0).padStart(8)} bytes a call`)

  // The embedded house: journal, and the engine's tables.
  const data = join(root, 'data')
  const house = await openHouse({
    yaml: `${providersAt(origin, ['openai'])}journal: { limit: "8GiB" }\n`,
    env: { WEIR_DATA: data },
  })
  told('bodies as sent', await send(house.proxy))
  // The newest segment stays; with few calls it is the only one.
  let [journal, ends] = [0, 0]
  for (const writer of await writersIn(join(data, 'journal'))) {
    const dir = join(data, 'journal', writer)
    journal += (await surveyWriter(dir, writer)).bytes
    ends += (await readWriter(dir)).ends
  }
  console.log(
    `${name.padEnd(6)} ${'journal (of the calls still in it)'.padEnd(34)} ${(journal / ends).toFixed(0).padStart(8)} bytes a call`,
  )
  await house.caughtUp(120_000)
  await house.stop()
  const db = await openEmbedded(join(data, 'chdb'))
  for (const table of ['requests', 'request_bodies', 'r_model_1h', 'r_attempt_1h', 'r_user_1d', 'r_session_1d', 'r_prop_1d'])
    await db.exec(`OPTIMIZE TABLE ${table} FINAL`)
  const tables = await db.rows<{ table: string; bytes: string; raw: string; indexes: string }>(
    'sizes',
    `SELECT table, toString(sum(bytes_on_disk)) AS bytes, toString(sum(data_uncompressed_bytes)) AS raw,
      toString(sum(secondary_indices_compressed_bytes)) AS indexes FROM system.parts WHERE active AND database = currentDatabase()
      GROUP BY table HAVING sum(rows) > 0 ORDER BY sum(bytes_on_disk) DESC`,
  )
  for (const { table, bytes, raw, indexes } of tables) {
    told(`clickhouse ${table}`, Number(bytes))
    if (table.startsWith('request')) {
      told('  not compressed', Number(raw))
      told('  of it skip and text indexes', Number(indexes))
    }
  }
  await db.close()

  if (kafkaJars !== null) {
    const kafka = await startKafka({ dir: join(root, 'kafka') })
    const scaled = await openHouse({
      yaml: providersAt(origin, ['openai']),
      env: { WEIR_DATA: join(root, 'scaled'), KAFKA_BROKERS: kafka.brokers },
    })
    await send(scaled.proxy)
    await scaled.caughtUp(120_000)
    await scaled.stop()
    told('kafka, one replica', bytesBelow(join(root, 'kafka'), /weir\.exchanges\.v1-\d+\/.*\.log$/))
    await kafka.stop()
  }
  upstream.close()
  rmSync(root, { recursive: true, force: true, maxRetries: 5 })
}

for (const profile of profiles) await measure(profile)
