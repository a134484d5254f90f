/*
 * How an API of Kafka's protocol is declared: its number, its messages in all their versions, and what answers it. One file per API in
 * apis/; which of them are served is the list in apis.ts, and what ApiVersions tells a client is computed from that list.
 */
import { type Fields } from '../format/field.ts'
import { type Decoded, type Encodable, type Message } from '../format/schema.ts'
import { type Broker } from './broker.ts'
import { type Cluster } from './cluster.ts'
import { type Peer } from './peer.ts'

/** What a handler gives when nothing is to be sent back: Produce with acks 0. */
export const NO_ANSWER: unique symbol = Symbol('no answer')

/** What a handler knows beside the request. */
export interface RequestContext {
  /** What all brokers share. */
  readonly cluster: Cluster
  /** The broker that was asked. */
  readonly broker: Broker
  /** Who asks. */
  readonly connection: Peer
  readonly version: number
  /** Empty when the client did not say. */
  readonly clientId: string
  /** Calls `done` when the answer was handed to the system: what it lies in may change. Never, when somebody may still look at it. */
  readonly whenSent: (done: () => void) => void
  /** Aborted when the peer sends no more, or the listener closes: whoever waits for something need not any longer, and answers. */
  readonly signal: AbortSignal
}

/** What a handler answers, at once or later. */
export type Answered<Response> = Response | typeof NO_ANSWER | Promise<Response | typeof NO_ANSWER>

/**
 * An answer that waits for the requests that came with it: `settle` is called when all of them have begun, so that what they have to write is
 * written together, and without a promise where nothing else is waited for.
 */
export class Later<T> {
  readonly settle: () => T | Promise<T>

  constructor(settle: () => T | Promise<T>) {
    this.settle = settle
  }
}

/** What a handler gives: an answer, or one that is asked for again. */
export type Handled<Response> = Answered<Response> | Later<Response | typeof NO_ANSWER>

/** One API, as its file declares it. */
export interface Api<Request extends Fields, Response extends Fields> {
  /** Kafka's number. */
  readonly key: number
  /** Kafka's name, without "Request". */
  readonly name: string
  /** Its versions are those that are served. */
  readonly request: Message<Request>
  readonly response: Message<Response>
  /** First version that clients are told of, where it is not the first that is served. */
  readonly advertisedFrom?: number
  /** Requests of it that follow one another on a connection begin at once, and are answered in order; others wait for the answer before. */
  readonly pipelined?: boolean
  /** The bytes of its requests may change once `handle` has returned: what it needs for longer it copies. */
  readonly borrows?: boolean
  /** Served to a peer that has not said yet who it is. */
  readonly beforeAuthentication?: boolean
  /** Never throws for what the protocol has an error for. */
  readonly handle: (request: Decoded<Message<Request>>, context: RequestContext) => Handled<Encodable<Message<Response>>>
  /** The answer that says one error for everything that was asked. */
  readonly refuse: (request: Decoded<Message<Request>>, errorCode: number, context: RequestContext) => Encodable<Message<Response>>
}

// Handlers of all APIs stand in one list: what each takes and gives is checked where it is declared.
/** An API, whatever its messages are. */
export type AnyApi = Api<any, any>

/** Declares an API; the types of its handler are those of its messages. */
export function defineApi<const Request extends Fields, const Response extends Fields>(api: Api<Request, Response>): Api<Request, Response> {
  return api
}
