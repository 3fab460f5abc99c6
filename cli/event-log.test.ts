import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { expect, onTestFinished, test } from 'vitest'

const module = (name: string): string => JSON.stringify(new URL(name, import.meta.url).href)

test('a Kafka consumer that does not come back to life ends its role with exit code 1', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-role-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  const child = spawn(
    process.execPath,
    [
      '--import',
      'tsx',
      '--input-type=module',
      '-e',
      `import { runRole } from ${module('./role.ts')}
       import { endProcess } from ${module('./event-log.ts')}
       import { kafkajsMember } from ${module('../journal/kafka/kafkajs-member.ts')}
       import { stubKafka } from ${module('../journal/kafka/member-testing.ts')}
       await runRole({
         name: 'ingest',
         start: async () => {
           kafkajsMember({
             kafka: stubKafka().kafka, group: 'g', topic: 't', position: () => Promise.reject(new Error('none')),
             complain: () => undefined, onDead: endProcess, bounds: { heldBytes: 1e6, silenceMs: 50, watchMs: 10 },
           })
           return { ports: {}, drain: () => Promise.resolve(), stop: () => Promise.resolve() }
         },
       })`,
    ],
    {
      env: { PATH: process.env.PATH ?? '', WEIR_DATA: join(folder, 'data') },
      cwd: process.cwd(),
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  onTestFinished(() => void child.kill('SIGKILL'))
  const [said, code] = await Promise.all([
    text(child.stderr),
    new Promise((resolve) => child.once('close', (status) => resolve(status))),
  ])
  expect(code).toBe(1)
  expect(said).toContain('The Kafka consumer could not be brought back to life.')
})
