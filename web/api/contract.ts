import { z } from 'zod'

/** Every answer of the web API. The schemas make the OpenAPI document and check the answers in tests; the UI uses the types alone. */

const usd = z
  .string()
  .regex(/^-?\d+(\.\d+)?$/)
  .describe('USD, exact: a decimal as text, never a float.')
const when = z.iso.datetime().describe('UTC, milliseconds.')
const count = z.number().int().nonnegative()
const unknownable = count.nullable().describe('null = not known')

export const periodSchema = z.object({
  from: when,
  /** Exclusive. */
  to: when,
  source: z
    .enum(['rows', 'hours', 'days'])
    .describe('Read from raw rows, or from roll-ups of whole UTC hours or days. from and to say what was really read.'),
})
export type Period = z.infer<typeof periodSchema>

export const figuresSchema = z.object({
  costUsd: usd,
  requests: count,
  errors: count,
  errorRate: z.number().nullable().describe('0 to 1; null without requests'),
  p50Ms: z.number().nullable(),
  p95Ms: z.number().nullable(),
  p95FirstChunkMs: z.number().nullable(),
  inputTokens: count,
  outputTokens: count,
  cacheReadTokens: count.describe("of the provider's cache"),
  cacheHits: count.describe('of our cache'),
  cacheHitRate: z.number().nullable(),
  savedUsd: usd,
  savedMs: count,
  unpriced: count.describe('rows whose price is not known'),
  estimated: count.describe('rows whose tokens were counted by Weir, not told'),
})

export const overviewSchema = z.object({
  period: periodSchema,
  current: figuresSchema,
  previous: z.object({ period: periodSchema, figures: figuresSchema }).nullable(),
  unpricedModels: z
    .array(z.object({ provider: z.string(), model: z.string(), requests: count }))
    .describe('most called first, at most 50'),
})
export type Overview = z.infer<typeof overviewSchema>

export const seriesMetrics = ['cost', 'requests', 'latency', 'first_chunk', 'errors', 'tokens'] as const
export type SeriesMetric = (typeof seriesMetrics)[number]

export const seriesSchema = z.object({
  metric: z.enum(seriesMetrics),
  group: z.string().describe('none, model, provider, user, outcome, error_kind or property:<key>'),
  unit: z.enum(['usd', 'count', 'ms', 'tokens']),
  period: periodSchema,
  stepSeconds: count,
  times: z.array(when).describe('start of each step, oldest first, without gaps'),
  lines: z
    .array(
      z.object({
        key: z
          .string()
          .describe(
            'value of the group; with group=none: the metric, p50 p95 p99 of latencies, input output of tokens. Empty = not set',
          ),
        rest: z.boolean().describe('true for the one line that sums all groups beyond the 12 greatest'),
        total: z.union([usd, z.number()]).nullable().describe('over the period; null for latencies'),
        values: z
          .array(z.union([usd, z.number()]).nullable())
          .describe('one per time: 0 where nothing happened; latencies are null there'),
      }),
    )
    .describe('greatest first; latency and first_chunk of a group are its p95'),
})
export type Series = z.infer<typeof seriesSchema>
export type SeriesLine = Series['lines'][number]

export const topSchema = z.object({
  by: z.string(),
  period: periodSchema,
  totalUsd: usd.describe('of the period, rows below included or not'),
  rows: z.array(
    z.object({
      key: z.string().describe('empty = not set'),
      name: z.string().nullable().describe('name of the session'),
      provider: z.string().nullable().describe('of the model'),
      costUsd: usd,
      share: z.number().nullable().describe('0 to 1 of totalUsd; null when that is 0'),
      requests: count,
      errors: count,
      tokens: count,
      unpriced: count,
      lastAt: when,
    }),
  ),
})
export type Top = z.infer<typeof topSchema>
export type TopRow = Top['rows'][number]

export const errorsSchema = z.object({
  period: periodSchema,
  requests: count.describe('all, failed or not'),
  errors: count,
  rows: z.array(
    z.object({
      kind: z.string(),
      requests: count,
      share: z.number().describe('0 to 1 of errors'),
      lastAt: when,
      providers: z.array(z.object({ provider: z.string(), requests: count })).describe('most first'),
    }),
  ),
})
export type Errors = z.infer<typeof errorsSchema>

export const costStatuses = ['exact', 'estimated', 'partial', 'unpriced', 'not_billable', 'provider'] as const

export const requestSummarySchema = z.object({
  id: z.uuid(),
  at: when,
  operation: z.string().describe('empty = relayed unread'),
  provider: z.string(),
  api: z.string(),
  endpoint: z.string(),
  target: z.string(),
  requestModel: z.string(),
  responseModel: z.string(),
  model: z.string().describe('override, else response model, else request model'),
  streaming: z.boolean(),
  status: count,
  outcome: z.string(),
  errorKind: z.string().describe('empty = no error'),
  errorCode: z.string(),
  errorMessage: z.string(),
  finishReason: z.string(),
  userId: z.string(),
  sessionId: z.string(),
  sessionName: z.string(),
  sessionPath: z.string(),
  keyId: z.string(),
  clientRequestId: z.string(),
  traceId: z.string(),
  properties: z.record(z.string(), z.string()),
  tags: z.array(z.string()),
  costUsd: usd.nullable().describe('null = not known, see costStatus and costReason'),
  costStatus: z.string().describe(costStatuses.join(', ')),
  costReason: z.string(),
  inputTokens: unknownable,
  outputTokens: unknownable,
  cacheReadTokens: unknownable,
  cacheWriteTokens: unknownable,
  reasoningTokens: unknownable,
  usageSource: z.string().describe('wire, header, estimated or none'),
  usageReason: z.string(),
  totalMs: unknownable,
  firstChunkMs: unknownable,
  attempts: count,
  cacheStatus: z.string(),
  toolCalls: count,
  inputPreview: z.string(),
  outputPreview: z.string(),
})
export type RequestSummary = z.infer<typeof requestSummarySchema>

export const requestSorts = [
  '-at',
  'at',
  '-cost',
  'cost',
  '-latency',
  'latency',
  '-first_chunk',
  'first_chunk',
  '-tokens',
  'tokens',
] as const
export type RequestSort = (typeof requestSorts)[number]

export const requestPageSchema = z.object({
  period: periodSchema,
  rows: z.array(requestSummarySchema),
  nextCursor: z.string().nullable().describe('hand it back as cursor; null = this was the last page'),
})
export type RequestPage = z.infer<typeof requestPageSchema>

export const requestCountSchema = z.object({ period: periodSchema, requests: count, costUsd: usd, unpriced: count })
export type RequestCount = z.infer<typeof requestCountSchema>

export const unpricedSchema = z.object({
  period: periodSchema,
  requests: count,
  models: z
    .array(
      z.object({
        provider: z.string(),
        model: z.string(),
        reason: z.string().describe('unknown_model, not_on_wire, lost ...'),
        requests: count,
        tokens: count.describe('told for them: what an override would price'),
        firstAt: z.string(),
        lastAt: z.string(),
      }),
    )
    .describe('most called first, at most 500'),
})

export const newRepriceSchema = z.strictObject({
  from: z.string().describe('ISO 8601 or milliseconds since the epoch'),
  to: z.string().describe('exclusive'),
  model: z.string().max(256).optional().describe('as on the rows; every model when it is left out'),
  dryRun: z.boolean().default(false).describe('say what would change, write nothing'),
})

export const repriceJobSchema = z.object({
  id: z.string(),
  state: z.enum(['running', 'done', 'stopped', 'failed']),
  dryRun: z.boolean(),
  from: z.string(),
  to: z.string(),
  model: z.string().nullable(),
  priceId: z.string(),
  calls: count.describe('looked at so far'),
  total: count.describe('to be looked at'),
  changed: count,
  differenceUsd: usd.describe('the costs of now less those before'),
  models: z
    .array(
      z.object({
        provider: z.string(),
        model: z.string(),
        calls: count,
        changed: count,
        beforeUsd: usd,
        afterUsd: usd,
        differenceUsd: usd,
        unpricedBefore: count,
        unpricedAfter: count,
      }),
    )
    .describe('largest difference first'),
  error: z.string().nullable(),
})
export type RepriceJob = z.infer<typeof repriceJobSchema>

export const backupJobSchema = z.object({
  id: z.string().describe('also the name of the folder below `backup/` of the data folder'),
  state: z.enum(['running', 'done', 'failed']),
  files: count,
  bytes: count,
  error: z.string().nullable(),
})
export type BackupJob = z.infer<typeof backupJobSchema>

export const attemptSchema = z.object({
  n: count,
  target: z.string(),
  provider: z.string(),
  model: z.string(),
  status: count.describe('0 = no answer came'),
  errorKind: z.string(),
  startUs: count.describe('microseconds after the call began'),
  endUs: count,
  inputTokens: unknownable.describe('of an attempt that was given up: as far as it came, else estimated'),
  outputTokens: unknownable,
  costUsd: usd.nullable(),
  replayed: z.boolean().describe('sent twice: the first time met a connection that was being closed'),
})
export type Attempt = z.infer<typeof attemptSchema>

export const passedOverSchema = z.object({
  target: z.string(),
  reason: z.string().describe('no_credential, circuit_open, denied, body_unalterable, window'),
  after: count.describe('so many attempts were over by then'),
})
export type PassedOver = z.infer<typeof passedOverSchema>

export const costLineSchema = z.object({
  unit: z.string(),
  model: z.string(),
  attempt: count,
  part: count,
  quantity: z.string().describe('decimal'),
  unitPriceUsd: usd.describe('for `per` units'),
  per: count,
  multiplier: z.string().describe('decimal'),
  amountUsd: usd.nullable().describe('null = no price'),
  origin: z.string().describe('price source and its date'),
})

const blockSchema = z.discriminatedUnion('type', [
  z.object({ type: z.literal('text'), text: z.string() }),
  z.object({ type: z.literal('thinking'), text: z.string(), redacted: z.boolean() }),
  z.object({ type: z.literal('refusal'), text: z.string() }),
  z.object({ type: z.literal('tool_call'), id: z.string(), name: z.string(), arguments: z.string().describe('as on the wire') }),
  z.object({ type: z.literal('tool_result'), id: z.string(), name: z.string(), text: z.string(), error: z.boolean() }),
  z.object({
    type: z.literal('media'),
    kind: z.enum(['image', 'audio', 'video', 'file']),
    mediaType: z.string(),
    url: z.string().nullable(),
    bytes: unknownable,
  }),
  z.object({ type: z.literal('other'), label: z.string(), json: z.string() }),
])
export const conversationSchema = z.object({
  messages: z.array(z.object({ role: z.string(), name: z.string().nullable(), blocks: z.array(blockSchema) })),
  answerAt: count.describe('where in messages the answer begins; their number when there is none'),
  notes: z.array(z.string()).describe('request_unreadable, answer_unreadable, event_unreadable ...'),
})
export type Conversation = z.infer<typeof conversationSchema>
export type Block = z.infer<typeof blockSchema>

export const bodyStates = ['stored', 'truncated', 'omitted', 'none', 'binary', 'undecodable', 'missing'] as const
const bodyState = z.enum(bodyStates).describe('missing: the row is known, its body is gone or was never stored')

export const requestDetailSchema = requestSummarySchema.extend({
  serverAddress: z.string(),
  parentSpanId: z.string(),
  spanId: z.string(),
  responseId: z.string(),
  serviceTier: z.string(),
  region: z.string(),
  writer: z.string().describe('the log it came from, with its position'),
  retentionDays: count,
  attemptList: z
    .array(attemptSchema)
    .describe('in the order of time; the one whose answer went out stands last, also where another was tried after it'),
  passedOver: z.array(passedOverSchema).describe('targets that were not tried, in the order of time'),
  costLines: z.array(costLineSchema),
  cost: z.object({
    inputUsd: usd.nullable(),
    outputUsd: usd.nullable(),
    otherUsd: usd.nullable(),
    providerUsd: usd.nullable(),
    savedUsd: usd.nullable(),
    priceId: z.string(),
  }),
  cache: z
    .object({
      originalId: z.string().nullable().describe('of a hit: the call whose answer it is'),
      savedTokens: unknownable,
      savedMs: count.describe('what the original took; 0 where it was under way'),
    })
    .describe('of our cache, with cacheStatus; what a hit saved in money is cost.savedUsd'),
  usage: z.object({
    cacheWrite5mTokens: unknownable,
    cacheWrite1hTokens: unknownable,
    inputAudioTokens: unknownable,
    outputAudioTokens: unknownable,
    inputImageTokens: unknownable,
    outputImageTokens: unknownable,
    cacheReadAudioTokens: unknownable,
    cacheReadImageTokens: unknownable,
    extra: z.record(z.string(), z.number()),
    notes: z.array(z.string()),
    raw: z.array(z.object({ source: z.string(), json: z.string() })).describe('usage objects as they stood on the wire'),
  }),
  priceFacts: z.record(z.string(), z.string()),
  marksUs: z
    .record(z.string(), count)
    .describe(
      'microseconds after the call began: admitted, sent, headers, firstByte, firstContent, lastByte, closed; of a call that may go to several targets also committed, after which no other could follow; a mark that is missing was never reached',
    ),
  overheadUs: count,
  requestBytes: count,
  responseBytes: count,
  guardrails: z.array(z.string()),
  altered: z.array(z.string()),
  warnings: z.array(z.string()),
  promptId: z.string(),
  promptVersion: z.string(),
  requestState: bodyState,
  responseState: bodyState,
  conversation: conversationSchema
    .nullable()
    .describe(
      'null when the bodies cannot be read as a conversation, and without the scope read-bodies; the raw ones are at /bodies',
    ),
})
export type RequestDetail = z.infer<typeof requestDetailSchema>

const bodySchema = z.object({
  state: bodyState,
  text: z.string().nullable(),
  sha256: z.string().describe('of the whole body as relayed; empty = not known'),
  headers: z.array(z.tuple([z.string(), z.string()])).describe('name and value of the headers that may be stored'),
})
export const bodiesSchema = z.object({ id: z.uuid(), request: bodySchema, response: bodySchema })
export type Bodies = z.infer<typeof bodiesSchema>

/** Data of the event `hello` of GET /api/live: sent first. */
export const liveHelloSchema = z.object({ any: z.boolean().describe('true when at least one row was ever stored') })
export type LiveHello = z.infer<typeof liveHelloSchema>
/** Data of the event `rows` of GET /api/live: rows in order of arrival, each once. */
export const liveRowsSchema = z.object({
  rows: z.array(requestSummarySchema).describe('newest last, at most 200'),
  skipped: count.describe('rows that arrived with these and are not sent, because they were too many'),
})
export type LiveRows = z.infer<typeof liveRowsSchema>

export const destinationSchema = z.object({
  name: z.string(),
  profile: z.string(),
  endpoint: z.string(),
  state: z.enum(['idle', 'ok', 'waiting', 'failing']),
  sent: count,
  rejected: count,
  dropped: count,
  dead: count,
  waitingBytes: count,
  lagSeconds: z.number().nullable(),
  lastSentAt: when.nullable(),
  lastError: z.object({ at: when, message: z.string() }).nullable(),
})
export type Destination = z.infer<typeof destinationSchema>
export const exportsSchema = z.object({ destinations: z.array(destinationSchema) })
export type Exports = z.infer<typeof exportsSchema>

export const causeSchema = z.object({
  cause: z
    .string()
    .describe(
      'kafka_unreachable, analytics_unreachable, journal_high, journal_full, store_unreachable, export_failing, dead_letters, ...',
    ),
  effect: z.string().describe('what it means for the caller, in a sentence'),
  advice: z.string().describe('what to do'),
})
export const settingSchema = z.object({
  key: z.string(),
  value: z.string().describe('JSON; secrets are masked'),
  source: z.enum(['environment', 'file', 'default']),
  name: z.string().nullable().describe('environment variable, or line of the file'),
})
const storeSchema = z.object({
  role: z.enum(['log', 'analytics', 'state', 'control']),
  kind: z.string().describe('journal, chdb, clickhouse, memory, redis, pglite, postgres'),
  state: z.enum(['ok', 'failing', 'unopened']),
  message: z.string(),
})
const proxyStateSchema = z.object({
  name: z.string().describe('host and port'),
  url: z.string().describe('where it is asked'),
  answers: z.boolean(),
  causes: z.array(causeSchema),
  inFlight: count.nullable().describe('null = it does not tell'),
  breakers: z
    .array(z.object({ provider: z.string(), model: z.string(), state: z.string() }))
    .describe('circuits that are not closed'),
  limits: z.object({ store: z.enum(['memory', 'redis']), policies: count }).nullable(),
  journal: z.object({ bytes: count, limitBytes: count, dropped: count }).nullable(),
  shipping: z.object({ lagBytes: count.nullable(), lagSeconds: z.number() }).nullable().describe('null = nothing goes to Kafka'),
  control: z
    .object({ digest: z.string().nullable(), ageMs: z.number().nullable() })
    .nullable()
    .describe('what it goes by of keys, limits, targets and prices, and how long ago it heard of the control plane'),
})
export type ProxyState = z.infer<typeof proxyStateSchema>

export const healthSchema = z.object({
  ok: z.boolean(),
  causes: z.array(causeSchema),
  stores: z.array(storeSchema),
  proxies: z.array(proxyStateSchema).describe('each by its name'),
  journal: z
    .object({ bytes: count, limitBytes: count.nullable(), dropped: count, lagBytes: count })
    .nullable()
    .describe('of all proxies together'),
  ingest: z.object({ lagSeconds: z.number(), lagBytes: count, events: count, deadLetters: count }).nullable(),
  versions: z.object({ weir: z.string(), node: z.string(), engine: z.string().nullable() }),
  pricesDate: z.string().nullable(),
  hasRows: z.boolean().describe('true when at least one row was ever stored: Quickstart is over'),
  demoCall: z.boolean().describe('true when POST /api/demo-call works'),
  proxyUrl: z.string().describe('base URL for callers, without a path'),
  sqlUrl: z.string().nullable(),
  configFile: z.string().nullable().describe('null also without the scope admin'),
  settings: z.array(settingSchema).nullable().describe('null without the scope admin'),
})
export type Health = z.infer<typeof healthSchema>
export type Cause = z.infer<typeof causeSchema>

export const cachePurgeSchema = z.object({ removed: count.describe('answers that were kept') })

export const demoCallSchema = z.object({ id: z.uuid() })
export type DemoCall = z.infer<typeof demoCallSchema>

export const viewSchema = z.object({ id: z.string(), name: z.string(), page: z.string(), query: z.string(), createdAt: when })
export type View = z.infer<typeof viewSchema>
export const viewsSchema = z.object({ views: z.array(viewSchema).describe('by name') })
export type Views = z.infer<typeof viewsSchema>
export const newViewSchema = z.strictObject({
  name: z.string().trim().min(1).max(80),
  page: z.string().regex(/^\/[a-z/-]{0,63}$/, 'a path of the UI, as /requests'),
  query: z.string().max(8192).describe('query string without ?'),
})
export type NewView = z.infer<typeof newViewSchema>

export const fieldsSchema = z.object({
  fields: z.array(
    z.object({
      name: z.string(),
      type: z.enum(['text', 'number', 'decimal', 'boolean', 'id', 'list']),
      operators: z.array(z.string()),
      values: z.array(z.string()).describe('the values in use, when they are few'),
      meaning: z.string(),
    }),
  ),
  properties: z.array(z.string()).describe('keys seen in the last 30 days, at most 200; written prop.<key>'),
})
export type Fields = z.infer<typeof fieldsSchema>

export const sqlQuestionSchema = z.strictObject({
  sql: z.string().min(1).max(32_768),
  params: z
    .record(z.string().regex(/^[A-Za-z_]\w{0,63}$/), z.string())
    .default({})
    .describe('values of {name:Type} in the text'),
})
export const sqlAnswerSchema = z.object({
  columns: z.array(z.object({ name: z.string(), type: z.string() })),
  rows: z.array(z.array(z.unknown())).describe('at most 10,000; 64-bit integers and decimals are text'),
  elapsedMs: z.number(),
  rowsRead: count,
  bytesRead: count,
})
export type SqlAnswer = z.infer<typeof sqlAnswerSchema>

export const loginSchema = z.strictObject({ secret: z.string().min(1).max(4096) })
export const sessionSchema = z.object({ required: z.boolean(), signedIn: z.boolean() })
/** Whether this server wants a login, and whether this browser has one: GET /api/session. */
export type Session = z.infer<typeof sessionSchema>

/** RFC 9457, `application/problem+json`. */
export const problemSchema = z.object({
  type: z.string(),
  title: z.string(),
  status: count,
  code: z.string().describe('the contract: branch on this'),
  detail: z.string().describe('what is wrong'),
  advice: z.string().describe('what to do'),
  param: z.string().nullable().describe('the query parameter or field at fault'),
})
export type Problem = z.infer<typeof problemSchema>
