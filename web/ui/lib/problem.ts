import type { Problem } from '../../api/contract.js'

/** Why a question to the API has no answer, in words for the page: what is wrong, and what to do. */
export class ApiError extends Error {
  readonly code: string
  readonly status: number
  readonly advice: string
  readonly param: string | null
  constructor({ code, status, detail, advice, param }: Pick<Problem, 'code' | 'status' | 'detail' | 'advice' | 'param'>) {
    super(detail)
    this.name = 'ApiError'
    this.code = code
    this.status = status
    this.advice = advice
    this.param = param
  }
}

export const unreachable = (): ApiError =>
  new ApiError({
    code: 'unreachable',
    status: 0,
    detail: 'Weir does not answer.',
    advice: 'Look whether `weir start` still runs; this page tries again by itself.',
    param: null,
  })

const text = (value: unknown): string => (typeof value === 'string' ? value : '')

/** Reads an answer that is no success. A proxy in between may have answered with anything. */
export const problemFrom = (status: number, body: unknown): ApiError => {
  const problem: Record<string, unknown> = body !== null && typeof body === 'object' ? { ...body } : {}
  return new ApiError({
    code: text(problem.code) || `http_${status}`,
    status,
    detail: text(problem.detail) || text(problem.title) || `The server answered ${status} without a reason.`,
    advice: text(problem.advice) || (status >= 500 ? 'Look into the log of the hub, or run `weir doctor`.' : ''),
    param: text(problem.param) || null,
  })
}
