import type { Consumer, Kafka } from 'kafkajs'

/** One client that a member made. */
export interface StubClient {
  readonly tell: (event: string, payload?: object) => void
  /** Hands over what a broker answered when asked from `from` on. */
  readonly batch: (partition: number, from: number, offsets: readonly number[], bytes?: number) => Promise<void>
  readonly asked: string[]
}

const events = { FETCH: 'fetch', HEARTBEAT: 'heartbeat', GROUP_JOIN: 'join', REBALANCING: 'rebalancing', CRASH: 'crash' }

type Listener = (event: { readonly payload: object }) => void
type EachBatch = (given: object) => Promise<void>

/** A kafkajs whose clients say nothing by themselves. */
export const stubKafka = (): { readonly kafka: Kafka; readonly clients: readonly StubClient[] } => {
  const clients: StubClient[] = []
  const consumer = (): Consumer => {
    const listeners = new Map<string, Listener>()
    const asked: string[] = []
    let eachBatch: EachBatch = () => Promise.resolve()
    const note = (what: string) => (place: unknown) => void asked.push(`${what} ${JSON.stringify(place)}`)
    clients.push({
      asked,
      tell: (event, payload = {}) => listeners.get(event)?.({ payload }),
      batch: (partition, from, offsets, bytes = 1) =>
        eachBatch({
          batch: {
            partition,
            fetchedOffset: String(from),
            lastOffset: () => String(offsets.at(-1) ?? from),
            messages: offsets.map((offset) => ({ offset: String(offset), value: Buffer.alloc(bytes), timestamp: '0' })),
          },
          resolveOffset: (offset: string) => void asked.push(`resolved ${offset}`),
          heartbeat: () => Promise.resolve(),
          isStale: () => false,
        }),
    })
    return {
      events,
      on: (event: string, listener: Listener) => void listeners.set(event, listener),
      connect: () => Promise.resolve(),
      subscribe: () => Promise.resolve(),
      run: (how: { readonly eachBatch: EachBatch }) => {
        eachBatch = how.eachBatch
        return Promise.resolve()
      },
      disconnect: () => Promise.resolve(),
      pause: note('pause'),
      resume: note('resume'),
      seek: note('seek'),
      commitOffsets: (offsets: unknown) => Promise.resolve(note('commit')(offsets)),
    } as unknown as Consumer
  }
  return { kafka: { consumer } as unknown as Kafka, clients }
}
