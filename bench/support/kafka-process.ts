import { startKafka } from '../../e2e/servers/kafka/kafka.js'
import { openTcpRelay } from '../../e2e/support/tcp-relay.js'

// A broker behind a link that can be cut, with a process in front of it that ends it, however the bench ends: by a signal, or when IPC does.
for (const signal of ['SIGTERM', 'SIGINT', 'disconnect'] as const) process.on(signal, () => process.exit(0))

const [dir = '', way = 'direct'] = process.argv.slice(2)
const relay = way === 'relay' ? await openTcpRelay() : null
const kafka = await startKafka({ dir, ...(relay === null ? {} : { advertised: `127.0.0.1:${relay.port}` }) })
const [node] = kafka.nodes
relay?.lead(Number(kafka.brokers.split(':')[1]))
const brokers = relay === null ? kafka.brokers : `127.0.0.1:${relay.port}`

const answers: Readonly<Record<string, () => Promise<unknown> | unknown>> = {
  start: async () => {
    await node?.start()
    return { brokers, pid: node?.pid() }
  },
  kill: () => node?.kill(),
  cut: () => relay?.cut(),
  mend: () => relay?.mend(),
}
process.on('message', (question: string) => {
  void Promise.resolve(answers[question]?.()).then((answer) => process.send?.(answer ?? 'done'))
})
process.send?.({ brokers, pid: node?.pid() })
