interface ErrorRule {
  readonly status: number
  /** Who has to change something. */
  readonly origin: 'client' | 'policy' | 'upstream' | 'weir'
  /** `if-untried`: worth a retry unless our own retries and fallbacks were spent on it. */
  readonly retry: 'no' | 'later' | 'if-untried'
}

/** Every error that is ours (headers.md §5, `docs/errors.md`). An upstream's error is relayed as it came. */
export const errors = {
  bad_header: { status: 400, origin: 'client', retry: 'no' },
  unknown_header: { status: 400, origin: 'client', retry: 'no' },
  reserved_header: { status: 400, origin: 'client', retry: 'no' },
  unknown_model: { status: 400, origin: 'client', retry: 'no' },
  family_unsupported: { status: 400, origin: 'client', retry: 'no' },
  target_missing: { status: 400, origin: 'client', retry: 'no' },
  bad_body: { status: 400, origin: 'client', retry: 'no' },
  auth_missing: { status: 401, origin: 'client', retry: 'no' },
  auth_invalid: { status: 401, origin: 'client', retry: 'no' },
  credential_missing: { status: 401, origin: 'client', retry: 'no' },
  credential_mismatch: { status: 401, origin: 'client', retry: 'no' },
  sigv4_unsupported: { status: 401, origin: 'client', retry: 'no' },
  policy_denied: { status: 403, origin: 'policy', retry: 'no' },
  target_denied: { status: 403, origin: 'policy', retry: 'no' },
  unknown_path: { status: 404, origin: 'client', retry: 'no' },
  method_not_allowed: { status: 405, origin: 'client', retry: 'no' },
  request_timeout: { status: 408, origin: 'client', retry: 'later' },
  body_too_large: { status: 413, origin: 'client', retry: 'no' },
  expect_failed: { status: 417, origin: 'client', retry: 'no' },
  too_many_in_flight: { status: 429, origin: 'policy', retry: 'later' },
  rate_limited: { status: 429, origin: 'policy', retry: 'later' },
  headers_too_large: { status: 431, origin: 'client', retry: 'no' },
  internal: { status: 500, origin: 'weir', retry: 'later' },
  upstream_unreachable: { status: 502, origin: 'upstream', retry: 'if-untried' },
  upstream_reset: { status: 502, origin: 'upstream', retry: 'if-untried' },
  upstream_bad_response: { status: 502, origin: 'upstream', retry: 'if-untried' },
  draining: { status: 503, origin: 'weir', retry: 'later' },
  saturated: { status: 503, origin: 'weir', retry: 'later' },
  journal_unavailable: { status: 503, origin: 'weir', retry: 'later' },
  control_stale: { status: 503, origin: 'weir', retry: 'later' },
  limits_unavailable: { status: 503, origin: 'weir', retry: 'later' },
  timeout_connect: { status: 504, origin: 'upstream', retry: 'if-untried' },
  timeout_ttft: { status: 504, origin: 'upstream', retry: 'if-untried' },
  timeout_idle: { status: 504, origin: 'upstream', retry: 'if-untried' },
  timeout_total: { status: 504, origin: 'upstream', retry: 'if-untried' },
  loop_detected: { status: 508, origin: 'client', retry: 'no' },
} as const satisfies Record<string, ErrorRule>

export type ErrorCode = keyof typeof errors

/** Ours alone. `code` is the contract, the message is for people; `param` names the header or field at fault. */
export class WeirError extends Error {
  readonly code: ErrorCode
  readonly param: string | null
  /** When it is worth another try; `null` = not known. */
  readonly retryAfterS: number | null
  constructor(
    code: ErrorCode,
    message: string,
    options?: ErrorOptions & { readonly param?: string; readonly retryAfterS?: number },
  ) {
    super(message, options)
    this.name = 'WeirError'
    this.code = code
    this.param = options?.param ?? null
    this.retryAfterS = options?.retryAfterS ?? null
  }
  get status(): number {
    return errors[this.code].status
  }
}
