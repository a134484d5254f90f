/*
 * What all stores of events are given, so that all are measured with the same: ids, payloads, which stream is meant next, and the projection
 * that is rebuilt. Stores themselves are in events.ts, events-sqlite.ts, events-event-storage.ts and events-emmett.ts.
 */
import { type Job, numbers, objects } from '../job.ts'

/** The data of an event: an order with its lines. */
export interface Order {
  readonly customer: string
  readonly lines: readonly object[]
}

/** A row of the projection: what a customer has ordered. */
export interface CustomerRow {
  orders: number
  lines: number
}

/** Streams of a hot set: few enough to stay in the memory of whoever keeps anything there. */
const HOT_STREAMS = 500

/** The type of all events. */
export const EVENT_TYPE = 'OrderPlaced'

/** Bytes of a stream's id. */
export const ID_BYTES = 20

/** The id of a stream. */
export function streamId(number: number): string {
  return `cart-${String(number).padStart(ID_BYTES - 5, '0')}`
}

/** Payloads to append in turn. */
export function orders(job: Job): readonly Order[] {
  return objects(job.bytes) as Order[]
}

/** How many streams the work `fill` made. */
export function streamCount({ filled, records, perStream = 1 }: Job): number {
  return Math.ceil((filled ?? records) / perStream)
}

/** Gives the id of one stream after the other: any, or for `hot` one of the first few hundred. */
export function streamsInTurn(job: Job): () => string {
  const random = numbers(5)
  const count = job.how === 'hot' ? Math.min(HOT_STREAMS, streamCount(job)) : streamCount(job)
  return () => streamId(random(count))
}

/** What a load does with each event: everything of it is decoded, and a part of it looked at. */
export function countLines(count: number, { lines }: Order): number {
  return count + lines.length
}

/** The projection: orders and their lines by customer, of whom there are as many as different payloads. */
export function addOrder(row: CustomerRow, { lines }: Order): void {
  row.orders++
  row.lines += lines.length
}

/** A customer without an order. */
export function newCustomer(): CustomerRow {
  return { orders: 0, lines: 0 }
}

/** Throws unless the rows hold all events that were filled in. */
export function checkRows(rows: Iterable<CustomerRow>, job: Job): void {
  let count = 0
  for (const row of rows) count += row.orders
  if (count < job.filled!) throw new Error(`the rows hold ${count} of ${job.filled} events`)
}
