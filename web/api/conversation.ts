import type { StoredBodies } from '../../clickhouse/queries/bodies-by-id.js'
import type { StoredRequest } from '../../clickhouse/queries/request-by-id.js'
import type { Conversation } from './contract.js'

export const conversationOf = (_row: StoredRequest, _bodies: StoredBodies | null): Conversation | null => null
