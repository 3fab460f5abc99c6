import type { Problem } from './contract.js'

/** Every error the web API can answer: `code` is the contract, the advice is for people. */
export const problems = {
  bad_parameter: { status: 400, title: 'A parameter does not fit', advice: 'See /api/openapi.json for what is accepted.' },
  bad_filter: {
    status: 400,
    title: 'The filter cannot be read',
    advice: 'Write field operator value, as: provider = openai and status >= 400.',
  },
  bad_body: { status: 400, title: 'The body does not fit', advice: 'Send JSON as described in /api/openapi.json.' },
  bad_sql: {
    status: 400,
    title: 'The SQL cannot be run',
    advice: 'Write one reading statement; bind values as {name:String} in params.',
  },
  not_signed_in: {
    status: 401,
    title: 'A login is needed',
    advice: 'Sign in, or send Authorization: Bearer with a Weir key or the admin secret.',
  },
  unknown_key: {
    status: 401,
    title: 'The key is not known, or has expired',
    advice: 'Use a key listed under keys in weir.yaml (weir key new NAME), or the value of WEIR_ADMIN_SECRET.',
  },
  wrong_secret: {
    status: 401,
    title: 'The secret is wrong',
    advice: 'Use the value of WEIR_ADMIN_SECRET, or a Weir key with the scope read-metrics.',
  },
  missing_scope: {
    status: 403,
    title: 'The key may not be used for this',
    advice: 'Use another key, or add the scope to this one under keys in weir.yaml.',
  },
  other_tenant: {
    status: 403,
    title: 'The key is of another tenant',
    advice: 'Leave tenant out; the admin secret may name any.',
  },
  foreign_host: {
    status: 403,
    title: 'This host name is not served',
    advice: 'Use localhost or 127.0.0.1, or list the name under allowedHosts in weir.yaml.',
  },
  foreign_origin: {
    status: 403,
    title: 'Another site may not change anything here',
    advice: "Use Weir's own pages, or a client that is no browser.",
  },
  unknown_path: { status: 404, title: 'There is nothing here', advice: 'See /api/openapi.json for what is.' },
  unknown_request: {
    status: 404,
    title: 'There is no such request',
    advice: 'Check the id. It may be past its retention, or not stored yet: wait 2 s.',
  },
  unknown_view: { status: 404, title: 'There is no such view', advice: 'List them with GET /api/views.' },
  no_demo: {
    status: 404,
    title: 'There is no demo provider here',
    advice: 'Start with `weir demo`, or send a call with a key of your own.',
  },
  unknown_job: { status: 404, title: 'There is no such job', advice: 'Begin it again: what it has done is not done twice.' },
  no_ingest: { status: 404, title: 'Nothing is ingested here', advice: 'Ask the hub, or run `weir reprice` where ingest runs.' },
  no_proxy: {
    status: 404,
    title: 'No proxy is known here',
    advice: 'Ask the hub, or set WEIR_ADMIN_SECRET and WEIR_PROXIES_URLS for `weir web`.',
  },
  method_not_allowed: { status: 405, title: 'This method is not taken here', advice: 'See /api/openapi.json for which are.' },
  backup_running: { status: 409, title: 'A backup is under way', advice: 'Wait for it.' },
  reprice_running: { status: 409, title: 'A re-pricing is under way', advice: 'Wait for it, or stop it.' },
  too_many_views: { status: 409, title: 'There is no room for another view', advice: 'Delete one that is not used.' },
  body_too_large: { status: 413, title: 'The body is too large', advice: 'At most 64 KiB are taken.' },
  not_json: { status: 415, title: 'The body is not JSON', advice: 'Send content-type: application/json.' },
  too_many_logins: { status: 429, title: 'Too many wrong secrets', advice: 'Wait a minute.' },
  internal: { status: 500, title: 'Weir made a mistake', advice: "Look into the hub's log; please report it." },
  demo_failed: { status: 502, title: 'The demo call failed', advice: 'Look at /api/health and whether the proxy runs.' },
  purge_failed: {
    status: 502,
    title: 'Not every proxy forgot',
    advice: 'See their state on Settings, then do it again: it may be done twice.',
  },
  ingest_unreachable: {
    status: 503,
    title: 'Ingest does not answer',
    advice: 'Check that `weir ingest` runs, WEIR_INGEST_URL, and that both have the same WEIR_ADMIN_SECRET.',
  },
  analytics_unreachable: {
    status: 503,
    title: 'The analytics store does not answer',
    advice: 'Calls go on and wait in the journal. See /api/health.',
  },
  question_too_large: {
    status: 503,
    title: 'The question reads too much',
    advice: 'Choose a shorter time range or a narrower filter.',
  },
  control_unreachable: {
    status: 503,
    title: 'The control store does not answer',
    advice: 'Check DATABASE_URL or WEIR_DATA/control. See /api/health.',
  },
  too_many_listeners: { status: 503, title: 'Too many pages listen', advice: 'Close some; this one may ask again in a minute.' },
  ui_missing: { status: 503, title: 'The pages were not built', advice: 'Run `npm run build`. The API answers without them.' },
} as const satisfies Record<string, { status: number; title: string; advice: string }>

export type ProblemCode = keyof typeof problems

/** An error the caller gets as a problem document. `detail` is whole sentences and holds nothing of an engine's or a driver's text. */
export class ApiError extends Error {
  readonly code: ProblemCode
  readonly param: string | null
  readonly retryAfterSeconds: number | null
  constructor(
    code: ProblemCode,
    detail: string,
    options: ErrorOptions & { readonly param?: string | null; readonly retryAfterSeconds?: number } = {},
  ) {
    super(detail, options)
    this.name = 'ApiError'
    this.code = code
    this.param = options.param ?? null
    this.retryAfterSeconds = options.retryAfterSeconds ?? null
  }
}

/** RFC 9457. */
export const problemOf = ({ code, message, param }: ApiError): Problem => ({
  type: `urn:weir:problem:${code}`,
  title: problems[code].title,
  status: problems[code].status,
  code,
  detail: message,
  advice: problems[code].advice,
  param,
})
