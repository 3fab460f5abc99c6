import { startKafka } from '../../e2e/servers/kafka/kafka.js'

// A broker with a process in front of it that ends it, however the bench ends: by a signal, or when IPC does.
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(signal, () => process.exit(0))

const kafka = await startKafka({ dir: process.argv[2] ?? '' })
const [node] = kafka.nodes
const tell = (): void => void process.send?.({ brokers: kafka.brokers, pid: node?.pid() })
process.on('message', (message) => {
  if (message === 'start') void node?.start().then(tell)
  if (message === 'kill') void node?.kill().then(() => process.send?.('killed'))
})
tell()
