/*
 * What tests of the event store share: a small domain, and stores of it.
 */
import { defineEvents, eventStore, type LocalEventStore, type StoreOptions } from '../../src/events/index.ts'
import { type CommitLog } from '../../src/topics/commit-log.ts'

/** What happens in a cart. */
export type CartEvent =
  | { readonly type: 'ItemAdded'; readonly data: { readonly sku: string; readonly quantity: number } }
  | { readonly type: 'ItemRemoved'; readonly data: { readonly sku: string } }
  | { readonly type: 'CheckedOut'; readonly data: { readonly total: number } }

export const Carts = defineEvents<CartEvent>('cart')

/** The store of carts of a log. */
export function carts(log: CommitLog, options?: StoreOptions): Promise<LocalEventStore<CartEvent>> {
  return eventStore(log, Carts, options)
}

/** An item that comes into a cart. */
export function added(sku: string, quantity = 1): CartEvent {
  return { type: 'ItemAdded', data: { sku, quantity } }
}
