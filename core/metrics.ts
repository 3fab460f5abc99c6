/** Where a metric is told: at /metrics of a proxy; of ingest, or the hub it is in; of web, or that hub; of all three. */
export type MetricRole = 'proxy' | 'ingest' | 'web'

export interface MetricRule {
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly roles: readonly MetricRole[]
  /** What is counted or measured; seconds and bytes stand in the name, too. */
  readonly unit: string
  readonly help: string
  readonly labels: readonly string[]
  /** Upper bounds of a histogram. */
  readonly buckets?: readonly number[]
  /** Told only where this is so: `REDIS_URL` is set, ... */
  readonly only?: string
}

const doubling = (from: number, steps: number, by = 2): readonly number[] =>
  Array.from({ length: steps }, (_, i) => from * by ** i)

/** 0.01 doubling to 81.92 (traces.md §7). */
const callSeconds = doubling(0.01, 14)
/** 1, 4, 16 .. 67,108,864 (traces.md §7). */
const tokens = doubling(1, 14, 4)
const writeSeconds = [0.000_025, 0.000_1, 0.000_5, 0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1]

const call = ['gen_ai_operation_name', 'gen_ai_provider_name', 'gen_ai_request_model', 'gen_ai_response_model', 'error_type']
const pair = ['provider', 'model']

const proxy = ['proxy'] as const
const ingest = ['ingest'] as const
const web = ['web'] as const
const all = ['proxy', 'ingest', 'web'] as const
const shipped = '`KAFKA_BROKERS` is set'
const linux = 'on Linux'

/**
 * Every metric of every role (traces.md §7): what makes them takes type, help, labels and buckets from here, docs/metrics.md is made from
 * it. Never a user, session, key or tenant as a label; names that callers choose are bounded (core/bounded-names.ts).
 */
export const metrics = {
  weir_requests_total: {
    type: 'counter',
    roles: proxy,
    unit: 'calls',
    help: 'Calls that ended, by provider, model, outcome and kind of error.',
    labels: [...pair, 'outcome', 'error_kind'],
  },
  weir_errors_total: {
    type: 'counter',
    roles: proxy,
    unit: 'calls',
    help: 'Calls that one of our errors ended, by its code (docs/errors.md): rate_limited, saturated, timeout_idle and so on.',
    labels: ['code'],
  },
  weir_unknown_path_total: {
    type: 'counter',
    roles: proxy,
    unit: 'requests',
    help: 'Requests whose path leads nowhere; they leave no row.',
    labels: [],
  },
  weir_limit_unenforced_total: {
    type: 'counter',
    roles: proxy,
    unit: 'calls',
    help: 'Calls that a limit was for and was not enforced on: invalid_policy, segment_missing, store_unavailable.',
    labels: ['reason'],
  },
  weir_in_flight: { type: 'gauge', roles: proxy, unit: 'calls', help: 'Calls that have come and not ended.', labels: [] },
  weir_in_flight_limit: {
    type: 'gauge',
    roles: proxy,
    unit: 'calls',
    help: 'Calls in flight from which new ones are refused as saturated.',
    labels: [],
  },
  weir_overhead_seconds: {
    type: 'histogram',
    roles: proxy,
    unit: 'seconds',
    help: 'Time from the arrival of a call to its sending upstream.',
    labels: [],
    buckets: [0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05],
  },
  weir_upload_memory_bytes: {
    type: 'gauge',
    roles: proxy,
    unit: 'bytes',
    help: 'Bytes of request bodies held in memory while they are sent.',
    labels: [],
  },
  weir_copy_memory_bytes: {
    type: 'gauge',
    roles: proxy,
    unit: 'bytes',
    help: 'Bytes of bodies held in memory to be stored with their calls.',
    labels: [],
  },
  weir_copies_cut_total: {
    type: 'counter',
    roles: proxy,
    unit: 'bodies',
    help: 'Bodies of which less is stored because copies took all the memory they may (bodies.memory).',
    labels: [],
  },
  weir_connections_dropped_total: {
    type: 'counter',
    roles: proxy,
    unit: 'connections',
    help: 'Connections closed unheard because half of the open files were connections already.',
    labels: [],
  },
  weir_cache_requests_total: {
    type: 'counter',
    roles: proxy,
    unit: 'calls',
    help: 'Calls that asked to read from the cache, by result: hit, miss, bypass.',
    labels: ['result'],
  },
  weir_cache_bytes: {
    type: 'gauge',
    roles: proxy,
    unit: 'bytes',
    help: 'Bytes of the answers that the memory cache keeps.',
    labels: [],
    only: '`REDIS_URL` is not set',
  },
  weir_circuit_state: {
    type: 'gauge',
    roles: proxy,
    unit: 'circuits',
    help: 'Circuits of targets that failed of late, over all tenants and keys: open, or half open (one call finds out).',
    labels: [...pair, 'state'],
    only: 'a circuit is not closed',
  },
  weir_redis_failures_total: {
    type: 'counter',
    roles: proxy,
    unit: 'questions',
    help: 'Questions to Redis without an answer: late (20 ms), refused (an error came), away (not asked, because it is known to be away).',
    labels: ['reason'],
    only: '`REDIS_URL` is set',
  },
  weir_control_age_seconds: {
    type: 'gauge',
    roles: proxy,
    unit: 'seconds',
    help: 'Time since the control plane was heard last.',
    labels: [],
    only: 'it was heard once',
  },
  weir_journal_bytes: { type: 'gauge', roles: proxy, unit: 'bytes', help: 'Bytes of the journal on disk.', labels: [] },
  weir_journal_limit_bytes: { type: 'gauge', roles: proxy, unit: 'bytes', help: 'Bytes the journal may take.', labels: [] },
  weir_journal_dropped_total: {
    type: 'counter',
    roles: proxy,
    unit: 'calls',
    help: 'Ends of calls that were not written because the journal was full: rows that are missing.',
    labels: [],
  },
  weir_journal_torn_bytes_total: {
    type: 'counter',
    roles: proxy,
    unit: 'bytes',
    help: 'Bytes of records that a failing disk took in part, and that were cut off again.',
    labels: [],
  },
  weir_journal_append_seconds: {
    type: 'histogram',
    roles: proxy,
    unit: 'seconds',
    help: 'Time of one write to the journal: all records of one turn of the event loop.',
    labels: [],
    buckets: writeSeconds,
  },
  weir_journal_sync_seconds: {
    type: 'histogram',
    roles: proxy,
    unit: 'seconds',
    help: 'Time of one sync of the journal to its disk.',
    labels: [],
    buckets: writeSeconds,
  },
  weir_ship_lag_bytes: {
    type: 'gauge',
    roles: proxy,
    unit: 'bytes',
    help: 'Bytes of the journal that Kafka has not acknowledged.',
    labels: [],
    only: shipped,
  },
  weir_ship_lag_seconds: {
    type: 'gauge',
    roles: proxy,
    unit: 'seconds',
    help: 'Time since which everything that was written has been acknowledged by Kafka; 0 when nothing waits.',
    labels: [],
    only: shipped,
  },
  weir_ship_events_total: {
    type: 'counter',
    roles: proxy,
    unit: 'events',
    help: 'Events that Kafka has acknowledged.',
    labels: [],
    only: shipped,
  },
  weir_ship_resent_total: {
    type: 'counter',
    roles: proxy,
    unit: 'events',
    help: 'Events sent again because an answer was missing; ingest stores them once.',
    labels: [],
    only: shipped,
  },
  weir_stored_requests_total: {
    type: 'counter',
    roles: ingest,
    unit: 'calls',
    help: 'Calls whose row is stored; weir_requests_total of the proxies counts them as they end.',
    labels: [...pair, 'outcome', 'error_kind'],
  },
  weir_attempts_total: {
    type: 'counter',
    roles: ingest,
    unit: 'sends',
    help: 'Sends to a target, by kind of error.',
    labels: ['target', 'error_kind'],
  },
  gen_ai_client_operation_duration_seconds: {
    type: 'histogram',
    roles: ingest,
    unit: 'seconds',
    help: 'Time from the request to the last byte of the answer.',
    labels: call,
    buckets: callSeconds,
  },
  gen_ai_client_operation_time_to_first_chunk_seconds: {
    type: 'histogram',
    roles: ingest,
    unit: 'seconds',
    help: 'Time to the first content of a stream.',
    labels: call,
    buckets: callSeconds,
  },
  gen_ai_client_token_usage: {
    type: 'histogram',
    roles: ingest,
    unit: 'tokens',
    help: 'Tokens of a call, by type (input, output).',
    labels: [...call, 'gen_ai_token_type'],
    buckets: tokens,
  },
  weir_cost_usd_total: {
    type: 'counter',
    roles: ingest,
    unit: 'USD',
    help: 'Cost of stored calls; exact sums are in the store.',
    labels: pair,
  },
  weir_cache_saved_usd_total: {
    type: 'counter',
    roles: ingest,
    unit: 'USD',
    help: 'What answers from the cache would have cost.',
    labels: pair,
  },
  weir_unpriced_total: { type: 'counter', roles: ingest, unit: 'calls', help: 'Calls whose price is not known.', labels: pair },
  weir_ingest_events_total: {
    type: 'counter',
    roles: ingest,
    unit: 'events',
    help: 'Events read from the log and stored.',
    labels: [],
  },
  weir_ingest_lag_seconds: {
    type: 'gauge',
    roles: ingest,
    unit: 'seconds',
    help: 'Age of the oldest event that was read and is not stored; 0 when there is none.',
    labels: [],
  },
  weir_ingest_lag_bytes: {
    type: 'gauge',
    roles: ingest,
    unit: 'bytes',
    help: 'Bytes of the log that are not stored.',
    labels: [],
  },
  weir_ingest_lag_messages: {
    type: 'gauge',
    roles: ingest,
    unit: 'messages',
    help: 'Messages of a partition of the topic that are not stored; partitions from 64 on together.',
    labels: ['partition'],
    only: shipped,
  },
  weir_ingest_batch_seconds: {
    type: 'histogram',
    roles: ingest,
    unit: 'seconds',
    help: 'Time from reading a batch to its commit.',
    labels: [],
    buckets: callSeconds,
  },
  weir_ingest_retries_total: {
    type: 'counter',
    roles: ingest,
    unit: 'inserts',
    help: 'Inserts that failed and were tried again.',
    labels: [],
  },
  weir_rollup_repairs_total: {
    type: 'counter',
    roles: ingest,
    unit: 'months',
    help: 'Months whose roll-ups differed from the calls and were built anew.',
    labels: [],
  },
  weir_dead_letters_total: {
    type: 'counter',
    roles: ['proxy', 'ingest'],
    unit: 'events',
    help: 'Events set aside with the reason: ship (no broker takes them), ingest (they cannot be read or stored).',
    labels: ['where'],
    only: 'of a proxy: `KAFKA_BROKERS` is set',
  },
  weir_dead_letters: {
    type: 'gauge',
    roles: ['proxy', 'ingest'],
    unit: 'events',
    help: 'Events that are kept for weir replay-dlq.',
    labels: [],
    only: 'of a proxy: `KAFKA_BROKERS` is set',
  },
  weir_export_sent_total: {
    type: 'counter',
    roles: ingest,
    unit: 'spans',
    help: 'Spans that a destination acknowledged.',
    labels: ['destination'],
  },
  weir_export_rejected_total: {
    type: 'counter',
    roles: ingest,
    unit: 'spans',
    help: 'Spans rejected in a partial success.',
    labels: ['destination'],
  },
  weir_export_dropped_total: {
    type: 'counter',
    roles: ingest,
    unit: 'spans',
    help: 'Spans given up because the destination lagged too far behind.',
    labels: ['destination'],
  },
  weir_export_dead_total: {
    type: 'counter',
    roles: ingest,
    unit: 'spans',
    help: 'Spans that a destination refused for good.',
    labels: ['destination'],
  },
  weir_export_lag_seconds: {
    type: 'gauge',
    roles: ingest,
    unit: 'seconds',
    help: 'Age of the oldest call that a destination has not got; 0 when it has all.',
    labels: ['destination'],
    only: 'there is a destination',
  },
  weir_export_lag_bytes: {
    type: 'gauge',
    roles: ingest,
    unit: 'bytes',
    help: 'Bytes of the log that a destination has not got.',
    labels: ['destination'],
    only: 'there is a destination',
  },
  weir_web_requests_total: {
    type: 'counter',
    roles: web,
    unit: 'requests',
    help: 'Requests to pages and API, by class of status: 2xx to 5xx.',
    labels: ['status'],
  },
  weir_web_request_seconds: {
    type: 'histogram',
    roles: web,
    unit: 'seconds',
    help: 'Time to the last byte of an answer of the API; live streams are not counted.',
    labels: [],
    buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
  },
  weir_degraded: {
    type: 'gauge',
    roles: all,
    unit: '0 or 1',
    help: '1 while the cause holds (docs/health.md).',
    labels: ['cause', 'destination'],
  },
  weir_build_info: {
    type: 'gauge',
    roles: all,
    unit: '1',
    help: 'Version and role of this process; always 1.',
    labels: ['version', 'role'],
  },
  nodejs_version_info: {
    type: 'gauge',
    roles: all,
    unit: '1',
    help: 'Version of Node.js; always 1.',
    labels: ['version', 'major', 'minor', 'patch'],
  },
  process_start_time_seconds: {
    type: 'gauge',
    roles: all,
    unit: 'seconds',
    help: 'When it started, since the epoch.',
    labels: [],
  },
  process_cpu_user_seconds_total: { type: 'counter', roles: all, unit: 'seconds', help: 'Processor time, user.', labels: [] },
  process_cpu_system_seconds_total: { type: 'counter', roles: all, unit: 'seconds', help: 'Processor time, system.', labels: [] },
  process_cpu_seconds_total: {
    type: 'counter',
    roles: all,
    unit: 'seconds',
    help: 'Processor time, user and system.',
    labels: [],
  },
  process_resident_memory_bytes: { type: 'gauge', roles: all, unit: 'bytes', help: 'Memory in RAM.', labels: [] },
  process_open_fds: {
    type: 'gauge',
    roles: all,
    unit: 'descriptors',
    help: 'Open descriptors; a call takes two.',
    labels: [],
    only: linux,
  },
  process_max_fds: {
    type: 'gauge',
    roles: all,
    unit: 'descriptors',
    help: 'Descriptors that may be open.',
    labels: [],
    only: linux,
  },
  nodejs_heap_size_used_bytes: { type: 'gauge', roles: all, unit: 'bytes', help: 'JavaScript heap in use.', labels: [] },
  nodejs_heap_size_total_bytes: { type: 'gauge', roles: all, unit: 'bytes', help: 'JavaScript heap taken.', labels: [] },
  nodejs_external_memory_bytes: { type: 'gauge', roles: all, unit: 'bytes', help: 'Buffers beside the heap.', labels: [] },
  nodejs_eventloop_lag_seconds: {
    type: 'gauge',
    roles: all,
    unit: 'seconds',
    help: 'Delay of the event loop at the moment.',
    labels: [],
  },
  nodejs_eventloop_lag_mean_seconds: {
    type: 'gauge',
    roles: all,
    unit: 'seconds',
    help: 'Delay of the event loop since it was last asked for, mean; 0.02 is none.',
    labels: [],
  },
  nodejs_eventloop_lag_p99_seconds: {
    type: 'gauge',
    roles: all,
    unit: 'seconds',
    help: 'Delay of the event loop since it was last asked for, 99 % are shorter; 0.02 is none.',
    labels: [],
  },
  nodejs_eventloop_lag_max_seconds: {
    type: 'gauge',
    roles: all,
    unit: 'seconds',
    help: 'Delay of the event loop since it was last asked for, the longest; 0.02 is none.',
    labels: [],
  },
  nodejs_gc_duration_seconds: {
    type: 'histogram',
    roles: all,
    unit: 'seconds',
    help: 'Time of garbage collections, by kind: major, minor, incremental, weakcb.',
    labels: ['kind'],
    buckets: [0.001, 0.01, 0.1, 1, 2, 5],
    only: 'once there was one',
  },
} as const satisfies Record<string, MetricRule>

export type MetricName = keyof typeof metrics
