/*
 * One request and its answer, for whoever stands between connections and handlers: a journal, and the faults of a test broker.
 */
import { type AnyApi, NO_ANSWER, type RequestContext } from './api.ts'

/** The bytes of an answer, in order; undefined when there is none. */
export type AnswerBytes = readonly Uint8Array[] | undefined

/** A request on its way, and its answer once there is one. */
export interface Exchange {
  readonly api: AnyApi
  readonly correlationId: number
  /** The bytes of the request, without its length; those of record batches in `request` are views of them. */
  readonly frame: Uint8Array
  /** The decoded request; of the type that the API's message has. Replaced before the handler, another one is handled. */
  request: Readonly<Record<string, unknown>>
  readonly context: RequestContext
  /** What is sent back. Set before the handler, it stands in its place. */
  response: Readonly<Record<string, unknown>> | typeof NO_ANSWER | undefined
}

/** A request in a version of its API that is not served: nothing of it but its header was read. */
export interface UnservedRequest extends Pick<RequestContext, 'broker' | 'clientId' | 'connection' | 'version'> {
  readonly api: AnyApi
  readonly correlationId: number
  /** As that of an {@link Exchange}. */
  readonly frame: Uint8Array
}

/** Sees every request before it is handled and after, and may change its answer. What it throws ends the connection. */
export interface Interceptor {
  before?(exchange: Exchange): void | Promise<void>
  after?(exchange: Exchange): void | Promise<void>
  /** The bytes of the answer, its length in front; undefined when there is none. What it gives is sent. */
  encoded?(exchange: Exchange, bytes: AnswerBytes): AnswerBytes | Promise<AnswerBytes>
  /** A request came in a version that is not served. It is told so in `bytes`, or its connection ends where there are none. */
  unserved?(request: UnservedRequest, bytes: AnswerBytes): void
}
