/*
 * Emmett itself on our event store: its command handlers, deciders, inline projections, reactors and errors. What its documents show is in
 * documented.test.ts, its own stores in stores.test.ts.
 */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { emmettEventStore } from '../../../src/emmett/emmett-store.ts'
import { CommitLog } from '../../../src/index.ts'
import { LONGEST_BUILD_MS } from '../cache.ts'
import { emmettPackages } from './packages.ts'

interface Document { readonly _id: string; readonly count: number }
type CartEvent =
  | { readonly type: 'ProductItemAdded'; readonly data: { readonly productId: string; readonly quantity: number; readonly addedAt: Date } }
  | { readonly type: 'Confirmed'; readonly data: { readonly confirmedAt: Date } }
interface Cart { readonly status: 'Empty' | 'Opened' | 'Closed'; readonly items: ReadonlyMap<string, number> }
interface Handled { readonly nextExpectedStreamVersion: bigint; readonly createdNewStream: boolean; readonly newState: Cart }
interface Message { readonly metadata: { readonly globalPosition: bigint } }
type Handle<Given> = (store: unknown, id: string, given: Given, options?: unknown) => Promise<Handled>

/** What is used of Emmett, whose package is not one of this repository's. */
interface Emmett {
  CommandHandler(options: object): Handle<(state: Cart) => CartEvent | CartEvent[]>
  DeciderCommandHandler(options: object): Handle<{ readonly type: string }>
  ExpectedVersionConflictError: new (...given: never[]) => Error
  isExpectedVersionConflictError(error: unknown): boolean
  getInMemoryDatabase(): { collection(name: string): { findOne(): Promise<Document | null> } }
  inMemorySingleStreamProjection(options: object): never
  inlineProjections(list: readonly unknown[]): never
  reactor(options: object): never
}

let emmett: Emmett

beforeAll(async () => {
  emmett = await import(pathToFileURL(join(await emmettPackages(), '@event-driven-io/emmett/dist/index.js')).href) as Emmett
}, LONGEST_BUILD_MS)

const initialState = (): Cart => ({ status: 'Empty', items: new Map() })
const evolve = (state: Cart, { type, data }: CartEvent): Cart => {
  if (type === 'Confirmed') return { ...state, status: 'Closed' }
  expect(data.addedAt).toBeInstanceOf(Date)
  return { status: 'Opened', items: new Map([...state.items, [data.productId, (state.items.get(data.productId) ?? 0) + data.quantity]]) }
}
const decide = ({ type }: { readonly type: string }, state: Cart): CartEvent => {
  if (state.status === 'Closed') throw new Error('the cart is closed')
  return type === 'Add' ? added() : { type: 'Confirmed', data: { confirmedAt: new Date() } }
}
const added = (): CartEvent => ({ type: 'ProductItemAdded', data: { productId: 'p', quantity: 2, addedAt: new Date() } })

test('command handlers and deciders run on it, and one of ten racing creators wins', async () => {
  const log = await CommitLog.memory()
  const store = await emmettEventStore(log, { ConflictError: emmett.ExpectedVersionConflictError as never })
  const handle = emmett.CommandHandler({ evolve, initialState })
  const decider = emmett.DeciderCommandHandler({ decide, evolve, initialState })
  const first = await handle(store, 'cart-1', (state) => decide({ type: 'Add' }, state))
  expect(first).toMatchObject({ nextExpectedStreamVersion: 1n, createdNewStream: true })
  const confirmed = await decider(store, 'cart-1', { type: 'Confirm' })
  expect([confirmed.nextExpectedStreamVersion, confirmed.newState.status, confirmed.newState.items.get('p')]).toEqual([2n, 'Closed', 2])
  await expect(decider(store, 'cart-1', { type: 'Add' })).rejects.toThrow('the cart is closed')
  expect((await handle(store, 'cart-1', () => [])).nextExpectedStreamVersion).toBe(2n)
  const race = await Promise.allSettled(Array.from({ length: 10 }, () => handle(store, 'race', added)))
  expect(race.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const lost = race.find((one): one is PromiseRejectedResult => one.status === 'rejected')!.reason as Error
  expect([lost instanceof emmett.ExpectedVersionConflictError, emmett.isExpectedVersionConflictError(lost)]).toEqual([true, true])
  const retry = { retry: { onVersionConflict: 10 } }
  await Promise.all(Array.from({ length: 5 }, () => handle(store, 'retried', added, retry)))
  expect((await store.readStream('retried')).currentStreamVersion).toBe(5n)
  await log.close()
})

test('its inline projections see what was appended, and its reactors go on from their checkpoints', async () => {
  const log = await CommitLog.memory()
  const database = emmett.getInMemoryDatabase()
  const projection = emmett.inMemorySingleStreamProjection({
    collectionName: 'carts', canHandle: ['ProductItemAdded', 'Confirmed'], initialState: () => ({ count: 0 }),
    evolve: (document: Document) => ({ ...document, count: document.count + 1 }),
  })
  const store = await emmettEventStore(log, { projections: emmett.inlineProjections([projection]), projectionContext: { database } })
  const handle = emmett.CommandHandler({ evolve, initialState })
  for (const _ of [1, 2, 3]) await handle(store, 'cart-1', added)
  expect(await database.collection('carts').findOne()).toMatchObject({ _id: 'cart-1', count: 3 })

  const seen: bigint[] = []
  const checkpoints = await store.checkpoints()
  const run = async (until: bigint): Promise<void> => {
    const reactor = emmett.reactor({
      processorId: 'watch', checkpoints, eachMessage: (message: Message) => void seen.push(message.metadata.globalPosition),
      stopAfter: (message: Message) => message.metadata.globalPosition === until,
    })
    const consumer = store.consumer({ processors: [reactor] })
    await consumer.start()
    await consumer.close()
  }
  await run(1n)
  await handle(store, 'cart-2', added)
  await run(3n)
  expect(seen).toEqual([0n, 1n, 2n, 3n])
  await log.close()
})
