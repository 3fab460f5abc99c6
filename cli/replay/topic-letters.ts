import type { KafkaLink, KafkaMember, PlacedMessage } from '../../journal/kafka/port.js'
import { replayedOf, replayGroup } from '../../journal/kafka/replayed.js'
import type { Letter, Letters } from './letter.js'

const joinMs = 90_000
const silentMs = 60_000
const atOnce = { messages: 100, bytes: 8 * 1024 * 1024 }

const joined = async (member: KafkaMember, topic: string): Promise<readonly number[]> => {
  const until = Date.now() + joinMs
  while (member.generation() === 0) {
    if (Date.now() > until) throw new Error(`The group ${replayGroup} could not be joined. ${member.trouble ?? ''}`.trimEnd())
    await member.wait(100)
  }
  const assigned = member.assigned()
  if (assigned.length === 0) throw new Error(`Another process sends the letters of ${topic} again at the moment.`)
  return assigned
}

/** Letters of a topic that were not sent again yet, up to what lay there at the beginning. A group keeps which were. */
export async function* topicLetters(link: KafkaLink, topic: string): Letters {
  const ends = await link.offsets(topic)
  if ([...ends.values()].every(({ low, high }) => low === high)) return
  const member = link.join(replayGroup, topic)
  try {
    for (const partition of await joined(member, topic)) {
      const { low, high } = ends.get(partition) ?? { low: 0, high: 0 }
      const position = await member.position(partition)
      const replayed = replayedOf(position)
      const letterOf = ({ offset, value, headers }: PlacedMessage): Letter => ({
        reason: headers.reason ?? '',
        error: headers.error ?? '',
        at: headers.at ?? '',
        first: Number(headers.first ?? 0),
        payload: value,
        async done() {
          replayed.add(offset)
          const now = replayed.position(low)
          await member.commit(partition, now.offset, now.metadata)
        },
      })
      let heardAt = Date.now()
      for (let at = Math.max(low, position.offset); at < high;) {
        const messages = member.read(partition, at, atOnce.messages, atOnce.bytes)
        for (const message of messages) if (message.offset < high && !replayed.has(message.offset)) yield letterOf(message)
        const last = messages.at(-1)
        if (last !== undefined) {
          at = last.offset + 1
          heardAt = Date.now()
          member.passed(partition, at)
        } else if (member.arrived(partition, high)) break
        else {
          if (Date.now() - heardAt > silentMs) throw new Error(`${topic} gives nothing more. ${member.trouble ?? ''}`.trimEnd())
          await member.wait(500)
        }
      }
    }
  } finally {
    await member.close()
  }
}
