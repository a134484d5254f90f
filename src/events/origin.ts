/*
 * Where the events that are appended come from, without saying so at each append: whoever handles a message runs its work with the message's
 * origin, and every append on the way has it.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { type Origin } from './types.ts'

let storage: AsyncLocalStorage<Origin> | undefined

/** The origin that the code at hand runs with; undefined when nobody said one. */
export function currentOrigin(): Origin | undefined {
  return storage?.getStore()
}

/** Runs `work`, and what it awaits, with an origin: what is appended meanwhile has it, unless the append says another one. */
export function withOrigin<T>(origin: Origin, work: () => T): T {
  return (storage ??= new AsyncLocalStorage<Origin>()).run(origin, work)
}

/** The origin of what comes of an event: its correlation, or else the event, and the event as the cause. */
export function originOf(event: { readonly id: string; readonly metadata: { readonly correlation?: string; readonly trace?: string } }): Origin {
  const { id, metadata: { correlation = id, trace } } = event
  return { correlation, causation: id, ...(trace !== undefined && { trace }) }
}
