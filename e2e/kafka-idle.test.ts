import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test } from 'vitest'
import { kafkaJars, startKafka } from './servers/kafka/kafka.js'

const program = fileURLToPath(new URL('../dist/e2e/servers/kafka/idle-process.js', import.meta.url))
const measureMs = 8000

test.skipIf(kafkaJars === null)(
  'a process with nothing to send and nothing to read takes less than 2 % of a core (WEIR_TEST_KAFKA is set)',
  async () => {
    const dir = mkdtempSync(join(tmpdir(), 'weir-kafka-'))
    onTestFinished(() => rmSync(dir, { recursive: true, force: true }))
    const kafka = await startKafka({ dir })
    onTestFinished(() => kafka.stop())
    const child = fork(program, [kafka.brokers, String(measureMs)])
    onTestFinished(() => void child.kill('SIGKILL'))
    const share = await new Promise<number>((resolve, reject) => {
      child.once('message', (told) => resolve(Number(told)))
      child.once('exit', (code, signal) => reject(new Error(`The process ended (${code ?? signal}).`)))
    })
    console.log(`idle: ${(100 * share).toFixed(2)} % of a core`)
    expect(share).toBeLessThan(0.02)
  },
  120_000,
)
