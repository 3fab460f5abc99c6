import { z } from 'zod'
import { bodiesById, type StoredBodies } from '../../../clickhouse/queries/bodies-by-id.js'
import { filterValues } from '../../../clickhouse/queries/filter-values.js'
import { propertyKeys } from '../../../clickhouse/queries/property-keys.js'
import { requestById, type StoredRequest } from '../../../clickhouse/queries/request-by-id.js'
import { requestsPage, type SortKey } from '../../../clickhouse/queries/requests-page.js'
import { requestsTotal } from '../../../clickhouse/queries/requests-total.js'
import { scopeOf } from '../../../clickhouse/queries/scope.js'
import { filterFields, operatorsOf } from '../../../core/filter.js'
import type { TenantId } from '../../../core/tenant.js'
import {
  type Bodies,
  bodiesSchema,
  bodyStates,
  fieldsSchema,
  type RequestDetail,
  requestCountSchema,
  requestDetailSchema,
  requestPageSchema,
  requestSorts,
} from '../contract.js'
import type { House } from '../house.js'
import { attemptsOf } from '../attempts.js'
import { askedOf, cursorOf, periodOf, placeOf, scopeParams } from '../params.js'
import { ApiError } from '../problems.js'
import { get } from '../route.js'
import { shownTo } from '../what-was-said.js'
import { conversationOf } from '../conversation.js'

const idParams = z.object({ id: z.uuid() })

const found = async (
  { db }: House,
  tenant: TenantId,
  id: string,
): Promise<{ row: StoredRequest; bodies: StoredBodies | null }> => {
  const row = await requestById(db, tenant, id.toLowerCase())
  if (row === null) throw new ApiError('unknown_request', `No request has the id ${id}.`, { param: 'id' })
  return { row, bodies: await bodiesById(db, tenant, row) }
}

type State = Bodies['request']['state']
const stateOf = (text: string | undefined): State => bodyStates.find((state) => state === text) ?? 'missing'

const rawUsage = (text: string): RequestDetail['usage']['raw'] => {
  if (text === '') return []
  return z.array(z.object({ source: z.string(), json: z.string() })).parse(JSON.parse(text))
}

const detailOf = (row: StoredRequest, bodies: StoredBodies | null): RequestDetail => {
  const { source, sourceOffset, inputUsd, outputUsd, otherUsd, providerUsd, savedUsd, priceId, ...withUsage } = row
  const { usageExtra, usageNotes, usageRaw, cacheWrite5mTokens, cacheWrite1hTokens, ...withMedia } = withUsage
  const { inputAudioTokens, outputAudioTokens, inputImageTokens, outputImageTokens, ...withReads } = withMedia
  const { cacheReadAudioTokens, cacheReadImageTokens, ...withCache } = withReads
  const { cachedFrom, savedTokens, savedMs, attemptFacts: _, ...facts } = withCache
  return {
    ...facts,
    writer: `${source}:${sourceOffset}`,
    requestBytes: Number(row.requestBytes),
    responseBytes: Number(row.responseBytes),
    attemptList: attemptsOf(row),
    costLines: row.costLines.map(({ unit_price, amount, ...line }) => ({ ...line, unitPriceUsd: unit_price, amountUsd: amount })),
    cache: { originalId: cachedFrom === '' ? null : cachedFrom, savedTokens, savedMs },
    cost: { inputUsd, outputUsd, otherUsd, providerUsd, savedUsd, priceId },
    usage: {
      cacheWrite5mTokens,
      cacheWrite1hTokens,
      inputAudioTokens,
      outputAudioTokens,
      inputImageTokens,
      outputImageTokens,
      cacheReadAudioTokens,
      cacheReadImageTokens,
      extra: usageExtra,
      notes: usageNotes,
      raw: rawUsage(usageRaw),
    },
    requestState: stateOf(bodies?.requestState),
    responseState: stateOf(bodies?.responseState),
    conversation: conversationOf(row, bodies),
  }
}

/** A body that was omitted or is binary has no text, which is not the same as an empty one. */
const textOf = (state: State, text: string | undefined): string | null =>
  state === 'stored' || state === 'truncated' ? (text ?? null) : null

const bodyOf = (
  state: string | undefined,
  text: string | undefined,
  sha256: string | undefined,
  headers: StoredBodies['requestHeaders'] = [],
): Bodies['request'] => ({
  state: stateOf(state),
  text: textOf(stateOf(state), text),
  sha256: sha256 ?? '',
  headers: headers.map(([name, value]) => [name, value]),
})

const monthMs = 30 * 86_400_000

export const requestRoutes = [
  get('/api/requests', {
    summary: 'Calls, newest first, page by page',
    needs: ['read-metrics'],
    query: z.strictObject({
      ...scopeParams,
      sort: z.enum(requestSorts).default('-at').describe('A leading - means greatest first.'),
      cursor: z.string().max(256).optional().describe('nextCursor of the page before, with the same parameters.'),
      limit: z.coerce.number().int().min(1).max(500).default(100),
    }),
    answer: requestPageSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const sort = query.sort.replace('-', '') as SortKey
      const sorted = sort === 'at' ? 'by time' : sort === 'cost' ? 'by value' : 'by whole number'
      const scope = scopeOf(askedOf(asker, query, now()), null)
      const { rows, next } = await requestsPage(db, asker.tenant, {
        scope,
        sort,
        direction: query.sort.startsWith('-') ? 'down' : 'up',
        after: query.cursor === undefined ? null : placeOf(query.cursor, sorted),
        limit: query.limit,
      })
      return {
        period: periodOf(scope),
        rows: rows.map((row) => shownTo(asker, row)),
        nextCursor: next === null ? null : cursorOf(next),
      }
    },
  }),

  get('/api/requests/count', {
    summary: 'How many calls pass the filter, and their cost',
    needs: ['read-metrics'],
    query: z.strictObject(scopeParams),
    answer: requestCountSchema,
    handle: async ({ db, now }, { asker, query }) => {
      const scope = scopeOf(askedOf(asker, query, now()), null)
      return { period: periodOf(scope), ...(await requestsTotal(db, asker.tenant, scope)) }
    },
  }),

  get('/api/requests/:id', {
    summary: 'All that is known of a call',
    needs: ['read-metrics'],
    params: idParams,
    answer: requestDetailSchema,
    handle: async (house, { asker, params }) => {
      const { row, bodies } = await found(house, asker.tenant, params.id)
      const detail = detailOf(row, bodies)
      return asker.has('read-bodies') ? detail : { ...shownTo(asker, detail), conversation: null }
    },
  }),

  get('/api/requests/:id/bodies', {
    summary: 'Request and answer of a call as they were stored',
    needs: ['read-metrics', 'read-bodies'],
    params: idParams,
    answer: bodiesSchema,
    handle: async (house, { asker, params }) => {
      const { row, bodies } = await found(house, asker.tenant, params.id)
      return {
        id: row.id,
        request: bodyOf(bodies?.requestState, bodies?.request, bodies?.requestSha256, bodies?.requestHeaders),
        response: bodyOf(bodies?.responseState, bodies?.response, bodies?.responseSha256, bodies?.responseHeaders),
      }
    },
  }),

  get('/api/fields', {
    summary: 'Fields of the filter grammar, and values seen in the last 30 days',
    needs: ['read-metrics'],
    query: z.strictObject({}),
    answer: fieldsSchema,
    handle: async ({ db, now }, { asker: { tenant } }) => {
      const since = new Date(now() - monthMs)
      const [values, properties] = await Promise.all([filterValues(db, tenant, since), propertyKeys(db, tenant, since)])
      const fields = Object.entries(filterFields).map(([name, { type, meaning }]) => ({
        name,
        type,
        operators: [...operatorsOf(type)],
        values: name in values ? values[name as keyof typeof values] : [],
        meaning,
      }))
      return { fields, properties }
    },
  }),
]
