/*
 * What a listener tells about itself: to `onEvent`, and on channels of node:diagnostics_channel, `commitlog:kafka-<type>`. Nothing is printed.
 */
import { channel, type Channel } from 'node:diagnostics_channel'
import { type Operation, type ResourceType } from './security/authorizer.ts'

/** Something that happened at a listener. `connection` counts its connections from 1 on. */
export type ListenerEvent =
  | { readonly type: 'connected'; readonly connection: number; readonly listener: string; readonly address: string }
  /** `reason` is absent when the peer left by itself. */
  | { readonly type: 'disconnected'; readonly connection: number; readonly reason?: string }
  /** The peer sent what is no request, or one that it may not send: its connection was closed. */
  | { readonly type: 'malformed'; readonly connection: number; readonly reason: string; readonly cause?: unknown }
  /** It is bound to more than loopback, and asks nobody who they are: whoever reaches it may do everything. Told once, when it opens. */
  | { readonly type: 'unprotected'; readonly listener: string; readonly address: string }
  /** Not let in: there are as many connections as there may be. */
  | { readonly type: 'refused'; readonly address: string; readonly reason: string }
  | { readonly type: 'authenticated'; readonly connection: number; readonly principal: string; readonly mechanism: string }
  | { readonly type: 'authentication-failed'; readonly connection: number; readonly mechanism: string; readonly reason: string }
  /** A peer asked for what it may not do to a topic, a group, or whatever else `resourceType` names, and was told so. */
  | {
    readonly type: 'denied'; readonly connection: number; readonly principal: string; readonly operation: Operation
    readonly resourceType: ResourceType; readonly resourceName: string
  }
  /** A handler failed in a way that it did not expect; the client got an error. */
  | { readonly type: 'request-failed'; readonly connection: number; readonly api: string; readonly cause: unknown }

/** Called with what happens. What it throws is thrown from a microtask of its own, never into the listener. */
export type ListenerEvents = (event: ListenerEvent) => void

const channels = new Map<ListenerEvent['type'], Channel>()

/** Tells an event to `listener` and to whoever subscribed to its channel. */
export function tellEvent(event: ListenerEvent, listener: ListenerEvents | undefined): void {
  let its = channels.get(event.type)
  if (its === undefined) channels.set(event.type, (its = channel(`commitlog:kafka-${event.type}`)))
  if (its.hasSubscribers) its.publish(event)
  try {
    listener?.(event)
  } catch (error) {
    queueMicrotask(() => { throw error })
  }
}
