/*
 * A route of the control API as a value: what is asked, what is answered, and what is done. The description, the checks and the calls are all made of
 * these values, so that none of them can say something else than the others.
 */
import { type Brokers } from './brokers.ts'
import { type ControlledBroker } from './controlled-broker.ts'
import { type Fields, type Optional, type Required, type Schema } from './schema.ts'

/** Methods of HTTP that are used. HEAD is asked as GET. */
export type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** What is answered when it is done. */
export interface Answer<T = unknown> {
  readonly status: number
  readonly description: string
  /** Undefined: nothing, or something that is no JSON. */
  readonly schema?: Schema<T>
  /** Default: JSON where there is a schema. */
  readonly contentType?: string
}

/** What a route is asked. */
export interface Asked<P extends Fields, Q extends Fields, B> {
  /** The broker that it is asked of. */
  readonly broker: ControlledBroker
  /** All of them. */
  readonly brokers: Brokers
  readonly params: Required<P>
  readonly query: Optional<Q>
  readonly body: B
  /** Aborted when whoever asks has gone. */
  readonly signal: AbortSignal
}

/** Part of the description that routes stand in. */
export type Tag = 'broker' | 'topics' | 'groups' | 'transactions' | 'checkpoints' | 'faults' | 'clock' | 'journal' | 'expectations' | 'meta'

/** What is told of a route. */
export interface RouteParts<P extends Fields, Q extends Fields, B, A> {
  readonly method: Method
  /** With names of parameters in braces: `/topics/{topic}`. */
  readonly path: string
  /** Of the operation, in camelCase. */
  readonly name: string
  /** What it does, in a line. */
  readonly summary: string
  readonly description?: string
  /** Of the path. */
  readonly params?: P
  /** What may stand behind the question mark. */
  readonly query?: Q
  /** What is sent. Where all of it may be left out, nothing need be sent. */
  readonly body?: Schema<B>
  readonly answer: Answer<A>
  /** Where what was made is, by what is answered. */
  readonly location?: (answer: A) => string
  /** Reasons that it is not done for, by status; beside those that any request is refused for. */
  readonly refuses?: Readonly<Record<number, string>>
  readonly run: (asked: Asked<P, Q, B>) => A | Promise<A>
}

/** A route, whatever it is asked. */
export interface Route extends Omit<RouteParts<Fields, Fields, unknown, unknown>, 'run' | 'location'> {
  readonly tag: Tag
  readonly location?: (answer: unknown) => string
  readonly run: (asked: Asked<Fields, Fields, unknown>) => unknown
}

/** Makes a route of what it is asked and does, with the types of both. */
export function route<A, B = undefined, P extends Fields = Record<never, never>, Q extends Fields = Record<never, never>>(
  tag: Tag, parts: RouteParts<P, Q, B, A>,
): Route {
  // Requests are checked by the schemas before they come here.
  return { ...parts, tag } as unknown as Route
}

/** Answered with JSON. */
export function json<T>(schema: Schema<T>, description: string, status = 200): Answer<T> {
  return { status, description, schema }
}

/** Something was made. */
export function created<T>(schema: Schema<T>, description: string): Answer<T> {
  return { status: 201, description, schema }
}

/** Done, and there is nothing to say. */
export function done(description: string): Answer<void> {
  return { status: 204, description }
}

/** Answered with a text for people. */
export function plainText(description: string): Answer<string> {
  return { status: 200, description, contentType: 'text/plain; charset=utf-8' }
}

/** Answered with bytes. */
export function bytes(contentType: string, description: string): Answer<Uint8Array> {
  return { status: 200, description, contentType }
}

