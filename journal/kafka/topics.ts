import type { TopicWish } from './port.js'

const dayMs = 86_400_000

/** Events: 12 partitions, 7 days (storage.md §2). Only made so when it is missing. */
export const eventsTopic = (topic: string): TopicWish => ({ topic, partitions: 12, retentionMs: 7 * dayMs })
/** What ingest could not take in: 30 days. */
export const deadTopic = (topic: string): TopicWish => ({ topic: `${topic}.dlq`, partitions: 1, retentionMs: 30 * dayMs })
