import { createRequire } from 'node:module'

interface Runner {
  readonly running: boolean
  readonly consumerGroup: { commitOffsets(offsets: unknown): Promise<void> }
  commitOffsets(offsets: unknown): Promise<void>
}

let plain = false

/**
 * kafkajs 2.2.4 repeats a commit that failed under whatever generation its member has by then, and may so move the position of a
 * partition that another member reads; and it resolves the commit of a client that has stopped, although nothing was written
 * (docs/decisions/0070). One try, under the generation of now, and its answer.
 */
export const plainCommits = (): void => {
  if (plain) return
  plain = true
  const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as { prototype: Runner }
  prototype.commitOffsets = async function (this: Runner, offsets) {
    if (!this.running) throw new Error('The client has left its group; nothing is committed.')
    await this.consumerGroup.commitOffsets(offsets)
  }
}
