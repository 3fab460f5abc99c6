import { describe, expect, test } from 'vitest'
import { PartitionMoved } from '../port.js'
import { openKafkaSource, type KafkaSource } from './kafka-source.js'
import type { GroupOffset, KafkaLink, KafkaMember, PlacedMessage } from './port.js'

/** A topic of one partition, which is ours. */
const topicOf = (high: number, stand: GroupOffset) => {
  let position = stand
  const messages = Array.from({ length: high }, (_, offset): PlacedMessage => ({
    offset,
    value: Buffer.from(String(offset)),
    headers: { id: String(offset), doubt: '0' },
    timestampMs: 0,
  }))
  const member = {
    assigned: () => [0],
    generation: () => 1,
    read: (_partition: number, from: number) => messages.filter(({ offset }) => offset >= from),
    arrived: (_partition: number, upTo: number) => upTo <= messages.length,
    position: () => Promise.resolve(position),
    commit: (_partition: number, offset: number, metadata: string) => {
      position = { offset, metadata }
      return Promise.resolve()
    },
    trouble: null,
  } as unknown as KafkaMember
  const link = {
    join: () => member,
    offsets: () => Promise.resolve(new Map([[0, { low: 0, high: messages.length }]])),
    groupOffsets: () => Promise.resolve(new Map([[0, position]])),
  } as unknown as KafkaLink
  return {
    link,
    position: () => position,
    forget: () => {
      position = { offset: -1, metadata: '' }
    },
    grow: () => messages.push({ ...(messages[0] as PlacedMessage), offset: messages.length }),
  }
}

const opened = (high: number, stand: GroupOffset) => {
  const topic = topicOf(high, stand)
  let at = 0
  const said: string[] = []
  const open = () => {
    const log = (sentence: string): void => void said.push(sentence)
    const source = openKafkaSource({
      link: topic.link,
      topic: 't',
      group: 'g',
      log,
      now: () => at,
      patience: { everyMs: 10, ms: 100 },
    })
    return async (): Promise<readonly string[]> => {
      await source.partitions()
      const partitions = await source.partitions()
      return partitions.length === 0 ? [source.trouble ?? ''] : partitions
    }
  }
  return { ...topic, open, look: open(), pass: (ms: number) => (at += ms), said }
}

test('a range that was begun and does not lie in the topic any more is not waited for: the log is another one', async () => {
  const { look, pass, position, said, open } = opened(3, { offset: 0, metadata: '{"first":0,"last":99}' })
  expect(await look()).toEqual(['g stands at 100 of t/0, which ends at 3: the topic was made anew or has lost events.'])
  pass(99)
  await look()
  expect(position().metadata).toBe('{"first":0,"last":99}')
  pass(11)
  expect(await look()).toEqual(['t/0~1'])
  expect(position()).toEqual({ offset: 0, metadata: '{"log":1,"doubtBelow":100}' })
  expect(said).toHaveLength(2)
  // The next one to read it goes by what is noted.
  expect(await open()()).toEqual(['t/0~1'])
})

test('an end that comes up again was told too low by a new leader: nothing is begun anew', async () => {
  const { look, pass, grow, position } = opened(3, { offset: 4, metadata: '' })
  expect(await look()).toHaveLength(1)
  grow()
  pass(20)
  expect(await look()).toEqual(['t/0'])
  expect(position()).toEqual({ offset: 4, metadata: '' })
})

test('what was begun anew keeps its name over plans and commits, and is in doubt up to where it had been', async () => {
  const { link, position } = topicOf(3, { offset: 0, metadata: '{"log":2,"doubtBelow":2}' })
  const source = openKafkaSource({ link, topic: 't', group: 'g' })
  await source.partitions()
  expect(await source.partitions()).toEqual(['t/0~2'])
  expect((await source.read('t/0~2', 0, 10, 1e9)).map(({ doubt }) => doubt)).toEqual([true, true, false])
  await source.plan('t/0~2', '', { first: 0, last: 2 })
  expect(position()).toEqual({ offset: 0, metadata: '{"first":0,"last":2,"log":2,"doubtBelow":2}' })
  await source.commit('t/0~2', '', 3)
  expect(position()).toEqual({ offset: 3, metadata: '{"log":2,"doubtBelow":2}' })
})

test('a note of somebody else is none', async () => {
  const { link } = topicOf(3, { offset: 1, metadata: '{"log":"many"' })
  const source = openKafkaSource({ link, topic: 't', group: 'g' })
  await source.partitions()
  expect(await source.partitions()).toEqual(['t/0'])
  expect(await source.progress('t/0', '')).toEqual({ committed: 1, planned: null })
})

describe('a topic that is made anew, and has as many events as were read of the old one before anybody looks', () => {
  const known = async () => {
    const topic = topicOf(3, { offset: 3, metadata: '{"log":1,"doubtBelow":2}' })
    let at = 0
    const source = openKafkaSource({
      link: topic.link,
      topic: 't',
      group: 'g',
      now: () => at,
      patience: { everyMs: 10, ms: 100 },
    })
    await source.partitions()
    expect(await source.partitions()).toEqual(['t/0~1'])
    return { ...topic, source, pass: (ms: number) => (at += ms) }
  }
  const begun = { offset: 0, metadata: '{"log":2,"doubtBelow":3}' }

  test('it is noticed after a while, when nothing comes', async () => {
    const { source, forget, pass, position } = await known()
    forget()
    expect(await source.partitions()).toEqual(['t/0~1'])
    pass(11)
    // Not told once: its reader forgets where it was.
    expect(await source.partitions()).toEqual([])
    expect(position()).toEqual(begun)
    expect(await source.partitions()).toEqual(['t/0~2'])
    expect(await source.progress('t/0~2', '')).toEqual({ committed: 0, planned: null })
    expect((await source.read('t/0~2', 0, 10, 1e9)).map(({ at, doubt }) => [at, doubt])).toEqual([
      [0, true],
      [1, true],
      [2, true],
    ])
  })

  test.each([
    ['a plan', (source: KafkaSource) => source.plan('t/0~1', '', { first: 3, last: 4 })],
    ['a commit', (source: KafkaSource) => source.commit('t/0~1', '', 5)],
  ])('%s from the place of before is refused', async (_, write) => {
    const { source, forget, grow, position } = await known()
    grow()
    grow()
    forget()
    await expect(write(source)).rejects.toBeInstanceOf(PartitionMoved)
    expect(position().offset).toBe(-1)
    expect(await source.partitions()).toEqual(['t/0~2'])
    expect(position()).toEqual(begun)
  })

  test('a group that somebody else moved is followed, under the same name', async () => {
    const { link, source } = await known()
    await link.join('g', 't').commit(0, 1, '')
    await expect(source.plan('t/0~1', '', { first: 3, last: 4 })).rejects.toBeInstanceOf(PartitionMoved)
    await source.partitions()
    expect(await source.progress('t/0', '')).toEqual({ committed: 1, planned: null })
  })
})
