import { expect, onTestFinished, test } from 'vitest'
import { kafkajsMember } from './kafkajs-member.js'
import { stubKafka } from './member-testing.js'

const opened = ({ silenceMs = 60_000, heldBytes = 1000, now = Date.now } = {}) => {
  const { kafka, clients } = stubKafka()
  const dead: string[] = []
  const said: string[] = []
  const member = kafkajsMember({
    kafka,
    group: 'g',
    topic: 't',
    position: () => Promise.resolve({ offset: -1, metadata: '' }),
    complain: (sentence) => void said.push(sentence),
    onDead: ({ message }) => void dead.push(message),
    now,
    bounds: { heldBytes, silenceMs, watchMs: 10 },
  })
  onTestFinished(() => member.close())
  const client = (n = 0) =>
    expect
      .poll(() => clients[n])
      .toBeDefined()
      .then(() => clients[n] as (typeof clients)[number])
  /** The client has its partitions. */
  const joined = async (...partitions: readonly number[]) => {
    const first = await client()
    await new Promise((resolve) => setTimeout(resolve, 0))
    first.tell('join', { memberAssignment: { t: partitions } })
    return first
  }
  return { member, clients, dead, said, client, joined }
}
const offsets = (found: readonly { readonly offset: number }[]): number[] => found.map(({ offset }) => offset)

test('a client that says nothing is replaced; the third time in ten minutes the process is to end', async () => {
  const { clients, dead, said } = opened({ silenceMs: 50 })
  await expect.poll(() => dead).toEqual(['no sign of life for 0.05 s'])
  expect(clients).toHaveLength(3)
  expect(said).toHaveLength(3)
})

test('one that fetches or beats is not, however long it lives', async () => {
  let at = 0
  const { clients, client } = opened({ now: () => at })
  const first = await client()
  const looked = () => new Promise((resolve) => setTimeout(resolve, 30))
  for (let n = 0; n < 10; n++) {
    at += 59_000
    first.tell(n % 2 === 0 ? 'fetch' : 'heartbeat')
    await looked()
  }
  expect(clients).toHaveLength(1)
  at += 61_000
  await expect.poll(() => clients.length).toBe(2)
})

test('brokers that are away are no fault of a client: it is replaced as often as it takes', async () => {
  const { clients, client, dead, member } = opened()
  for (let n = 0; n < 4; n++) {
    const crashing = await client(n)
    await new Promise((resolve) => setTimeout(resolve, 20))
    const inner = Object.assign(new Error('connect ECONNREFUSED'), { name: 'KafkaJSConnectionError' })
    crashing.tell('crash', { error: new Error('retries exceeded', { cause: inner }) })
  }
  await expect.poll(() => clients.length).toBe(5)
  expect(dead).toEqual([])
  expect(member.trouble).toBe('No broker of KAFKA_BROKERS answers (connect ECONNREFUSED).')
})

test('what would leave a hole is asked for again, and passed over when it comes once more', async () => {
  const { member, joined, said } = opened()
  const client = await joined(0)
  await client.batch(0, 0, [0, 1])
  await client.batch(0, 5, [5, 6])
  expect(client.asked).toContain('seek {"topic":"t","partition":0,"offset":"2"}')
  expect(offsets(member.read(0, 0, 10, 1e6))).toEqual([0, 1])
  await client.batch(0, 5, [5, 6])
  expect(offsets(member.read(0, 0, 10, 1e6))).toEqual([0, 1, 5, 6])
  expect(said.join()).toContain('t/0: nothing lies from 2 to 5 any more')
})

test('when the memory is full nothing more is fetched, except what somebody waits for; half of it free, all is again', async () => {
  const { member, joined } = opened({ heldBytes: 2000 })
  const client = await joined(0, 1, 2)
  expect(member.arrived(1, 3)).toBe(false)
  await client.batch(0, 0, [0, 1], 1000)
  expect(client.asked).toContain('pause [{"topic":"t","partitions":[0,2]}]')
  await client.batch(1, 0, [0, 1, 2], 1000)
  expect(member.arrived(1, 3)).toBe(true)
  expect(client.asked).toContain('pause [{"topic":"t","partitions":[0,1,2]}]')
  const resumes = client.asked.filter((what) => what === 'resume [{"topic":"t"}]').length
  await member.commit(0, 2, '')
  await member.commit(1, 3, '')
  expect(client.asked.filter((what) => what === 'resume [{"topic":"t"}]')).toHaveLength(resumes + 1)
})

test('a new assignment: nothing is held of before, and what was paused is fetched', async () => {
  const { member, joined } = opened({ heldBytes: 500 })
  const client = await joined(0)
  await client.batch(0, 0, [0], 1000)
  client.asked.length = 0
  client.tell('join', { memberAssignment: { t: [0, 3] } })
  expect(client.asked).toEqual(['resume [{"topic":"t"}]'])
  expect(member.read(0, 0, 10, 1e6)).toEqual([])
  expect(member.assigned()).toEqual([0, 3])
  expect(member.generation()).toBe(2)
})

test('while the group rebalances nothing is committed', async () => {
  const { member, joined } = opened()
  const client = await joined(0)
  client.tell('rebalancing')
  await expect(member.commit(0, 1, '')).rejects.toThrow('t/0 was assigned anew')
  expect(client.asked.filter((what) => what.startsWith('commit'))).toEqual([])
})
