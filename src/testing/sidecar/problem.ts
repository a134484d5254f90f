/*
 * What is answered when something is not done: problem details with a stable code. Spec: RFC 9457.
 */
import { STATUS_CODES } from 'node:http'
import { isLogError, type LogError } from '../../base/errors.ts'
import { type Violation } from './check.ts'
import { type Described, integer, list, object, text, titled } from './schema.ts'

/** Codes of the control API itself, with their status. Those of the log, `LOG_…`, are in docs/errors.md. */
export const refusals = {
  INVALID_JSON: 400,
  INVALID_REQUEST: 400,
  PATTERN_TOO_SLOW: 400,
  FOREIGN_ORIGIN: 403,
  UNKNOWN_ROUTE: 404,
  UNKNOWN_ID: 404,
  METHOD_NOT_ALLOWED: 405,
  LIMIT_REACHED: 409,
  NEVER_IDLE: 409,
  SCENARIO_FAILED: 409,
  BODY_TOO_LARGE: 413,
  UNSUPPORTED_MEDIA_TYPE: 415,
  INTERNAL_ERROR: 500,
} as const

/** A code of {@link refusals}. */
export type RefusalCode = keyof typeof refusals

/** Why a request is not done. */
export class Refusal extends Error {
  readonly code: RefusalCode
  readonly violations: readonly Violation[]
  readonly headers: Readonly<Record<string, string>>

  constructor(code: RefusalCode, message: string, { violations = [], headers = {} }: Partial<Pick<Refusal, 'violations' | 'headers'>> = {}) {
    super(message)
    this.code = code
    this.violations = violations
    this.headers = headers
  }
}

/** What the test fails for: faults that never happened, contracts that were broken, findings of strict mode, scenarios that failed. */
export class Failures extends Error {
  readonly list: readonly Failure[]

  constructor(failures: readonly Failure[]) {
    super(failures.map(({ message }) => message).join('\n'))
    this.list = failures
  }
}

const failure = object({ code: text, message: text })

/** One reason for a test to fail. */
export type Failure = Described<typeof failure>

/** Problem details. */
export const problem = titled('Problem', object({
  type: text, title: text, status: integer(400, 599), detail: text, code: text,
}, {
  errors: list(object({ pointer: text, detail: text })),
  failures: list(failure),
}), 'Why a request was not done. `code` is stable, and what programs should look at; `detail` is for people.')

/** The status for errors of the log that whoever asks can do something about; all others are 500. */
const statuses: Readonly<Record<string, number>> = {
  LOG_NOT_FOUND: 404, LOG_GROUP_NOT_FOUND: 404,
  LOG_TOPIC_EXISTS: 409, LOG_TOPIC_INTERNAL: 409, LOG_POLICY_VIOLATION: 409, LOG_GROUP_NOT_EMPTY: 409, LOG_WAIT_TIMED_OUT: 409,
  LOG_FAULT_UNFIRED: 409,
  LOG_STRICT: 409, LOG_CONTRACT_BROKEN: 409, LOG_BUFFER_FULL: 409, LOG_PORT_IN_USE: 409, LOG_LOCKED: 409,
  LOG_RECORD_TOO_LARGE: 400, LOG_BATCH_TOO_LARGE: 400, LOG_RECORD_INVALID: 400, LOG_IMPORT_INVALID: 400, LOG_OFFSET_OUT_OF_RANGE: 400,
  LOG_FILE_CORRUPT: 400, LOG_VERSION_UNSUPPORTED: 400,
  LOG_CLOSED: 503,
}

/** An answer that says no. */
export interface ProblemAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Described<typeof problem>
}

/** What is answered for an error. */
export function problemOf(error: unknown): ProblemAnswer {
  if (error instanceof Refusal) {
    const errors = error.violations.map(({ at, reason }) => ({ pointer: at, detail: reason }))
    return answer(refusals[error.code], error.code, error.message, { ...(errors.length > 0 && { errors }) }, error.headers)
  }
  if (error instanceof Failures) return answer(409, error.list[0]!.code, error.message, { failures: error.list })
  if (isLogError(error)) return answer(statuses[error.code] ?? 500, error.code, wordsOf(error))
  // What the test kit says of what it cannot be told.
  if (error instanceof TypeError || error instanceof RangeError) return answer(refusals.INVALID_REQUEST, 'INVALID_REQUEST', error.message)
  return answer(refusals.INTERNAL_ERROR, 'INTERNAL_ERROR', error instanceof Error ? error.message : String(error))
}

/** Tests of Node are told what to call there. */
function wordsOf({ message }: LogError): string {
  return message.replace(/: give it to startTestBroker.*/, ': POST /topics makes one')
}

function answer(
  status: number, code: string, detail: string, more: Partial<Described<typeof problem>> = {}, headers: Readonly<Record<string, string>> = {},
): ProblemAnswer {
  return { status, headers, body: { type: 'about:blank', title: STATUS_CODES[status] ?? 'Error', status, detail, code, ...more } }
}
