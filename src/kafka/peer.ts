/*
 * Who is at the other end of a connection, as handlers see it.
 */

import { type Duplex } from 'node:stream'

/** A name that permissions are given to. */
export interface Principal {
  /** `User` in all that Kafka has. */
  readonly type: string
  readonly name: string
}

/** Who nobody has asked for a name. */
export const ANONYMOUS: Principal = { type: 'User', name: 'ANONYMOUS' }

/** The other end of a connection. */
export interface Peer {
  /** Counts the connections of a listener from 1 on. */
  readonly id: number
  /** Its address as groups show it: `/127.0.0.1`. */
  readonly host: string
  /** Name of the listener that it came in by: `PLAINTEXT`. */
  readonly listener: string
  /** Who it is; `User:ANONYMOUS` until it has said so, where somebody asks. */
  principal: Principal
  /** Whether it may ask for more than to authenticate. */
  authenticated: boolean
  /** When it must have authenticated again, on the monotonic clock; Infinity when it need not. */
  sessionEndsAt: number
  /** What its ApiVersions request called the client, for what is shown. */
  software: { readonly name: string; readonly version: string } | undefined
  /** @internal What it is at the other end of. */
  readonly stream: Duplex
  /** What others remember of it, each under a symbol of its own. */
  readonly notes: Map<symbol, unknown>
  /** Whether nobody is there any more to be answered. One that sends no more may still wait for answers. */
  readonly gone: boolean
  /** Ends the connection. */
  close(reason: string): void
  /** Ends the connection once what is under way is answered. */
  leave(): void
}
