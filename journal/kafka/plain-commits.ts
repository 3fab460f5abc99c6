import { createRequire } from 'node:module'

interface Runner {
  readonly running: boolean
  readonly consumerGroup: { commitOffsets(offsets: unknown): Promise<void> }
  commitOffsets(offsets: unknown): Promise<void>
}

interface Place {
  readonly topic: string
  readonly partition: number
}

interface OffsetManager {
  readonly cluster: {
    fetchTopicsOffset(
      topics: readonly unknown[],
    ): Promise<readonly { readonly partitions: readonly { readonly offset: string }[] }[]>
  }
  readonly topicConfigurations: Readonly<Record<string, object>>
  readonly resolvedOffsets: Record<string, Record<number, string>>
  setDefaultOffset(place: Place): Promise<void>
}

let plain = false

/**
 * Makes the position of a group ours alone (docs/decisions/0070). kafkajs 2.2.4
 *
 * - repeats a commit that failed under whatever generation its member has by then, and may so move the position of a partition that
 *   another member reads: here one try, under the generation of now;
 * - resolves the commit of a client that has stopped, although nothing was written: here it fails;
 * - commits "the oldest" over the position, and what stands beside it, when the position is not in the topic: here it only reads on
 *   from there.
 */
export const plainCommits = (): void => {
  if (plain) return
  plain = true
  const load = createRequire(import.meta.url)
  const runner = (load('kafkajs/src/consumer/runner') as { prototype: Runner }).prototype
  runner.commitOffsets = async function (this: Runner, offsets) {
    if (!this.running) throw new Error('The client has left its group; nothing is committed.')
    await this.consumerGroup.commitOffsets(offsets)
  }
  const offsets = (load('kafkajs/src/consumer/offsetManager') as { prototype: OffsetManager }).prototype
  offsets.setDefaultOffset = async function (this: OffsetManager, { topic, partition }) {
    const [found] = await this.cluster.fetchTopicsOffset([
      { topic, partitions: [{ partition }], ...this.topicConfigurations[topic] },
    ])
    const offset = found?.partitions[0]?.offset
    const resolved = this.resolvedOffsets[topic]
    if (offset !== undefined && resolved !== undefined) resolved[partition] = offset
  }
}
