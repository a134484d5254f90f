/*
 * One request and its answer, for whoever stands between connections and handlers: a journal, and the faults of a test broker.
 */
import { type AnyApi, NO_ANSWER, type RequestContext } from './api.ts'

/** A request on its way, and its answer once there is one. */
export interface Exchange {
  readonly api: AnyApi
  readonly correlationId: number
  /** The decoded request; of the type that the API's message has. */
  readonly request: Readonly<Record<string, unknown>>
  readonly context: RequestContext
  /** What is sent back. Set before the handler, it stands in its place. */
  response: Readonly<Record<string, unknown>> | typeof NO_ANSWER | undefined
}

/** Sees every request before it is handled and after, and may change its answer. What it throws ends the connection. */
export interface Interceptor {
  before?(exchange: Exchange): void | Promise<void>
  after?(exchange: Exchange): void | Promise<void>
}
