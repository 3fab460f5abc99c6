import { diag, DiagLogLevel } from '@opentelemetry/api'
import { createOtlpHttpExportDelegate } from '@opentelemetry/otlp-exporter-base/node-http'
import { JsonTraceSerializer, ProtobufTraceSerializer, TraceExporterMetricsHelper } from '@opentelemetry/otlp-transformer'
import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { isLoopback, type ExportDestination } from '../../core/config.js'
import { secretHider } from '../../core/hide-secrets.js'
import type { Span } from './span.js'

/** What a destination made of a batch, sorted by what there is to do. */
export type Answer =
  /** It has the batch. `rejected`: spans it told to have thrown away (partial success). */
  | { readonly kind: 'accepted'; readonly rejected: number; readonly message: string }
  /** Something in the batch is not to its liking (400, 413, 422): halve it. */
  | { readonly kind: 'refused'; readonly message: string }
  /** It will not talk to us as we are configured (401, 403, 404, other 3xx and 4xx): wait for a person. */
  | { readonly kind: 'denied'; readonly message: string }
  /** Not there, or not now (429, 5xx, network, no answer in time): try again. */
  | { readonly kind: 'away'; readonly message: string }

export interface Exporter {
  send(spans: readonly Span[]): Promise<Answer>
  /** The request body these spans make. */
  encode(spans: readonly Span[]): Uint8Array
  /** Cuts what is on its way: those sends answer `away`. */
  close(): void
}

// A partial success is reported as success; only the diagnostic logger learns of it. The exporter logs it in the same turn, directly
// before it calls back, so what stands here when the callback runs belongs to that very batch.
let partialSuccess: string | null = null
const listenToDiagnostics = (): void => {
  const nothing = (): void => undefined
  const warn = (message: string, detail: unknown): void => {
    if (message.startsWith('Received Partial Success') && typeof detail === 'string') partialSuccess = detail
  }
  diag.setLogger(
    { error: nothing, warn, info: nothing, debug: nothing, verbose: nothing },
    { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true },
  )
}

const accepted = (): Answer => {
  const detail = partialSuccess
  partialSuccess = null
  if (detail === null) return { kind: 'accepted', rejected: 0, message: '' }
  const { rejectedSpans, errorMessage } = JSON.parse(detail) as { rejectedSpans?: number | string; errorMessage?: string }
  return { kind: 'accepted', rejected: Number(rejectedSpans ?? 0), message: errorMessage ?? '' }
}

const failedWith = (error: Error & { readonly code?: unknown; readonly data?: unknown }): Answer => {
  const { code } = error
  const told = typeof error.data === 'string' && error.data !== '' ? `: ${error.data.slice(0, 500)}` : ''
  // A network failure may carry a code too, but a word ('ECONNABORTED'): only a number is an HTTP status.
  if (typeof code !== 'number') return { kind: 'away', message: error.message || 'No answer.' }
  const message = `HTTP ${code}${error.message === '' ? '' : ` ${error.message}`}${told}`
  if (code === 400 || code === 413 || code === 422) return { kind: 'refused', message }
  if (code >= 500 || code === 408 || code === 425) return { kind: 'away', message }
  return { kind: 'denied', message }
}

const profileHeaders: Readonly<Record<ExportDestination['profile'], Readonly<Record<string, string>>>> = {
  otlp: {},
  jaeger: {},
  langfuse: { 'x-langfuse-ingestion-version': '4' },
}

/** What is told of an answer, for people: some repeat the key that they refuse. */
const withoutSecrets = ({ headers, endpoint }: Pick<ExportDestination, 'headers' | 'endpoint'>): ((answer: Answer) => Answer) => {
  const { password, searchParams } = new URL(endpoint)
  const given = [...Object.values(headers), ...searchParams.values(), decodeURIComponent(password)]
  const secrets = given.flatMap((value) => [value, value.replace(/^\w+\s+/, '')]).filter((value) => value.length >= 6)
  const hide = secretHider(secrets)
  return (answer) => ({ ...answer, message: hide(answer.message) })
}

/** What a hung destination may take before its batch is tried again. */
const timeoutMillis = 10_000

/**
 * Sends batches of spans to one destination over OTLP/HTTP and reads its answer.
 *
 * The exporter package's own class would add the OTEL_EXPORTER_OTLP_HEADERS of the environment to every destination, and so send one
 * backend's key to another; its parts are therefore put together here, with the configured headers and nothing else.
 */
export const createExporter = (
  destination: Pick<ExportDestination, 'endpoint' | 'protocol' | 'headers' | 'profile'>,
): Exporter => {
  listenToDiagnostics()
  const told = withoutSecrets(destination)
  const { endpoint, protocol, headers, profile } = destination
  const url = new URL(endpoint)
  const json = protocol === 'json'
  const serializer = json ? JsonTraceSerializer : ProtobufTraceSerializer
  const sent = {
    ...profileHeaders[profile],
    ...headers,
    'content-type': json ? 'application/json' : 'application/x-protobuf',
  }
  const agent = url.protocol === 'https:' ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true })
  const delegate = createOtlpHttpExportDelegate(
    {
      url: url.href,
      headers: async () => ({ ...sent }),
      compression: isLoopback(url.hostname.replace(/^\[|\]$/g, '')) ? 'none' : 'gzip',
      timeoutMillis,
      concurrencyLimit: 16,
      agentFactory: () => agent,
    },
    serializer,
    json ? 'otlp_http_json_span_exporter' : 'otlp_http_span_exporter',
    TraceExporterMetricsHelper,
    undefined,
  )
  return {
    send: (spans) =>
      new Promise((resolve) => {
        try {
          delegate.export(spans as Span[], ({ code, error }) => {
            resolve(told(code === 0 ? accepted() : failedWith(error ?? new Error('No answer.'))))
          })
        } catch (cause) {
          // A span that cannot be written as OTLP: halving finds it.
          resolve({ kind: 'refused', message: cause instanceof Error ? cause.message : String(cause) })
        }
      }),
    encode: (spans) => serializer.serializeRequest(spans as Span[]) ?? new Uint8Array(),
    close() {
      // The delegate tries lost connections again for up to 10 s, whoever still listens: let it find no way.
      agent.createConnection = () => {
        throw new Error('The exporter is closed.')
      }
      agent.destroy()
    },
  }
}
