import { kafkajsLink } from '../../../journal/kafka/kafkajs-link.js'

// A process with a producer and a member that have nothing to do: tells which share of a core it takes.
const [brokers = '', measureMs = ''] = process.argv.slice(2)
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const link = kafkajsLink({
  access: { brokers: brokers.split(','), ssl: false, sasl: null, clientId: 'weir-idle' },
  complain: () => undefined,
})
await link.ensure([{ topic: 'idle', partitions: 12, retentionMs: 3_600_000 }])
const producer = await link.producer()
await producer.send('idle', 0, [{ key: 'k', value: Buffer.from('one'), headers: {} }])
const member = link.join('idle', 'idle')
while (member.read(0, 0, 1, 1e6).length === 0) await member.wait(100)
await sleep(2000)
const before = process.cpuUsage()
await sleep(Number(measureMs))
const { user, system } = process.cpuUsage(before)
process.send?.((user + system) / 1000 / Number(measureMs))
await producer.close()
await link.close()
process.exit(0)
