/*
 * What Emmett's documents show (event-driven-io.github.io/emmett), on our store instead of `getInMemoryEventStore()`, in our own words: one test
 * for each page, named after it. The pages' own programs run on it by upstream.js, which needs a checkout of Emmett.
 */
import { pathToFileURL } from 'node:url'
import { join } from 'node:path'
import { afterEach, beforeAll, expect, test } from 'vitest'
import { emmettEventStore, type EmmettStoreOptions } from '../../../src/emmett/emmett-store.ts'
import { type EmmettEventStore } from '../../../src/emmett/types.ts'
import { CommitLog } from '../../../src/index.ts'
import { LONGEST_BUILD_MS } from '../cache.ts'
import { emmettPackages } from './packages.ts'

type Item = { readonly sku: string; readonly quantity: number }
type CartEvent =
  | { readonly type: 'ItemAdded'; readonly data: Item }
  | { readonly type: 'ItemRemoved'; readonly data: Item }
  | { readonly type: 'Confirmed'; readonly data: { readonly at: Date } }
type CartCommand =
  | { readonly type: 'Add'; readonly data: Item }
  | { readonly type: 'Remove'; readonly data: Item }
  | { readonly type: 'Confirm' }
interface Cart {
  readonly status: 'empty' | 'open' | 'confirmed'
  readonly items: Readonly<Record<string, number>>
}
interface Handled {
  readonly nextExpectedStreamVersion: bigint
  readonly createdNewStream: boolean
  readonly newState: Cart
  readonly newEvents: readonly CartEvent[]
}
type Decision = (state: Cart) => CartEvent | CartEvent[] | Promise<CartEvent | CartEvent[]>
type Handle = (store: unknown, id: string, decision: Decision | Decision[], options?: object) => Promise<Handled>
type Message = CartEvent & { readonly metadata: { readonly streamName: string; readonly streamPosition: bigint; readonly globalPosition: bigint } }
interface Documents {
  findOne(matches?: (document: Document) => boolean): Promise<Document | null>
}
interface Document {
  readonly _id: string
  readonly count: number
}

/** What is used of Emmett, whose package is not one of this repository's. */
interface Emmett {
  CommandHandler(options: object): Handle
  DeciderCommandHandler(options: object): (store: unknown, id: string, command: CartCommand | CartCommand[], options?: object) => Promise<Handled>
  readonly IllegalStateError: new (message: string) => Error
  readonly ValidationError: new (message: string) => Error
  readonly ConcurrencyError: new (...given: never[]) => Error
  readonly ExpectedVersionConflictError: new (...given: never[]) => Error
  readonly STREAM_DOES_NOT_EXIST: 'STREAM_DOES_NOT_EXIST'
  getInMemoryDatabase(): { collection(name: string): Documents }
  getInMemoryMessageBus(): { subscribe(handler: (event: CartEvent) => void, ...types: string[]): void }
  forwardToMessageBus(bus: unknown): (events: never[]) => unknown
  inlineProjections(list: readonly unknown[]): never
  inMemorySingleStreamProjection(options: object): unknown
  inMemoryMultiStreamProjection(options: object): unknown
  inMemoryProjector(options: object): never
  reactor(options: object): never
}

let emmett: Emmett
let log: CommitLog | undefined

beforeAll(async () => {
  emmett = await import(pathToFileURL(join(await emmettPackages(), '@event-driven-io/emmett/dist/index.js')).href) as Emmett
}, LONGEST_BUILD_MS)

afterEach(async () => {
  await log?.close()
  log = undefined
})

async function eventStore(options: EmmettStoreOptions = {}): Promise<EmmettEventStore> {
  log = await CommitLog.memory()
  return emmettEventStore(log, { emmett: emmett as never, ...options })
}

const initialState = (): Cart => ({ status: 'empty', items: {} })
function evolve(cart: Cart, event: CartEvent): Cart {
  if (event.type === 'Confirmed') return { ...cart, status: 'confirmed' }
  const { sku, quantity } = event.data
  const sign = event.type === 'ItemAdded' ? 1 : -1
  return { status: 'open', items: { ...cart.items, [sku]: (cart.items[sku] ?? 0) + sign * quantity } }
}
function decide(command: CartCommand, cart: Cart): CartEvent {
  if (cart.status === 'confirmed') throw new emmett.IllegalStateError('the cart is confirmed')
  if (command.type === 'Confirm') return { type: 'Confirmed', data: { at: new Date(7) } }
  if (command.data.quantity <= 0) throw new emmett.ValidationError('how many?')
  if (command.type === 'Add') return { type: 'ItemAdded', data: command.data }
  if ((cart.items[command.data.sku] ?? 0) < command.data.quantity) throw new emmett.IllegalStateError(`no ${command.data.sku} in the cart`)
  return { type: 'ItemRemoved', data: command.data }
}
const tea: Item = { sku: 'tea', quantity: 1 }
const added = (item = tea): CartEvent => ({ type: 'ItemAdded', data: item })
const confirmed = (): CartEvent => ({ type: 'Confirmed', data: { at: new Date(7) } })
const handler = (options: object = {}): Handle => emmett.CommandHandler({ evolve, initialState, ...options })

test('Quick Introduction: commands of a cart, one after the other, and one that is refused', async () => {
  const store = await eventStore()
  const handle = handler()
  const run = (command: CartCommand): Promise<Handled> => handle(store, 'cart-1', (state) => decide(command, state))
  await run({ type: 'Add', data: { sku: 'pizza', quantity: 1 } })
  await run({ type: 'Add', data: { sku: 'ice cream', quantity: 1 } })
  const { newState } = await run({ type: 'Remove', data: { sku: 'ice cream', quantity: 1 } })
  expect(newState.items).toEqual({ pizza: 1, 'ice cream': 0 })
  await expect(run({ type: 'Remove', data: { sku: 'ice cream', quantity: 1 } })).rejects.toBeInstanceOf(emmett.IllegalStateError)
  expect((await store.readStream('cart-1')).currentStreamVersion).toBe(3n)
})

test('Getting Started: read, decide, append by hand; the same by a command handler', async () => {
  const store = await eventStore()
  const { state, currentStreamVersion } = await store.aggregateStream<Cart, CartEvent>('cart-1', { evolve: evolve as never, initialState })
  const appended = await store.appendToStream('cart-1', [decide({ type: 'Add', data: tea }, state)], { expectedStreamVersion: currentStreamVersion })
  expect(appended).toMatchObject({ nextExpectedStreamVersion: 1n, createdNewStream: true })
  const handled = await handler()(store, 'cart-1', (cart) => decide({ type: 'Confirm' }, cart))
  expect(handled).toMatchObject({ nextExpectedStreamVersion: 2n, createdNewStream: false, newState: { status: 'confirmed', items: { tea: 1 } } })
})

test('Event Store: reading in ranges, expected versions, conflicts with both versions, forwarding to a message bus', async () => {
  const bus = emmett.getInMemoryMessageBus()
  const forwarded: string[] = []
  bus.subscribe(({ type }) => forwarded.push(type), 'ItemAdded')
  const store = await eventStore({ hooks: { onAfterCommit: emmett.forwardToMessageBus(bus) } })
  await store.appendToStream('s', Array.from({ length: 12 }, (_, index) => added({ sku: 'tea', quantity: index + 1 })))
  const quantities = async (options: object): Promise<number[]> => (
    (await store.readStream<CartEvent>('s', options)).events.map(({ data }) => (data as Item).quantity)
  )
  expect(await quantities({ from: 5n })).toEqual([5, 6, 7, 8, 9, 10, 11, 12])
  expect(await quantities({ to: 10n })).toHaveLength(10)
  expect(await quantities({ from: 0n, maxCount: 3n })).toEqual([1, 2, 3])
  const conflict = await store.appendToStream('s', [added()], { expectedStreamVersion: 5n }).catch((error: unknown) => error)
  expect(conflict).toBeInstanceOf(emmett.ConcurrencyError)
  expect(conflict).toMatchObject({ expected: '5', current: '12' })
  await store.appendToStream('s', [added()], { expectedStreamVersion: 'STREAM_EXISTS' })
  expect([await store.streamExists('s'), await store.streamExists('t')]).toEqual([true, false])
  expect(forwarded).toHaveLength(13)
})

test('Command Handling: one event, several, several decisions, none; resending; the id of a stream', async () => {
  const store = await eventStore()
  const handle = handler({ mapToStreamId: (id: string) => `shopping_cart-${id}` })
  expect((await handle(store, '1', () => added())).newEvents).toHaveLength(1)
  expect((await handle(store, '1', () => [added(), added()])).nextExpectedStreamVersion).toBe(3n)
  const inTurn = await handle(store, '1', [
    (cart) => (cart.items['tea'] === 3 ? added() : []), (cart) => (cart.items['tea'] === 4 ? confirmed() : []),
  ])
  expect(inTurn).toMatchObject({ nextExpectedStreamVersion: 5n, newState: { status: 'confirmed' } })
  const confirm: Decision = (cart) => (cart.status === 'confirmed' ? [] : confirmed())
  const again = await handle(store, '1', confirm)
  expect(again).toMatchObject({ nextExpectedStreamVersion: 5n, createdNewStream: false, newEvents: [] })
  expect((await store.readStream('shopping_cart-1')).currentStreamVersion).toBe(5n)
})

test('Command Handling: a version from the client, a stream that must be new, retries on conflict', async () => {
  const store = await eventStore()
  const handle = handler()
  const { nextExpectedStreamVersion } = await handle(store, 'c', () => added(), { expectedStreamVersion: emmett.STREAM_DOES_NOT_EXIST })
  await handle(store, 'c', () => added(), { expectedStreamVersion: nextExpectedStreamVersion })
  for (const expectedStreamVersion of [nextExpectedStreamVersion, emmett.STREAM_DOES_NOT_EXIST]) {
    const refused = handle(store, 'c', () => added(), { expectedStreamVersion })
    await expect(refused).rejects.toBeInstanceOf(emmett.ExpectedVersionConflictError)
  }
  let tries = 0
  const disturbed: Decision = async () => {
    if (tries++ === 0) await store.appendToStream('c', [added()])
    return added()
  }
  await expect(handle(store, 'c', disturbed)).rejects.toBeInstanceOf(emmett.ExpectedVersionConflictError)
  tries = 0
  const retried = await handle(store, 'c', disturbed, { retry: { onVersionConflict: true } })
  expect([tries, retried.nextExpectedStreamVersion]).toEqual([2, 5n])
})

test('Decider: a command, and several at once', async () => {
  const store = await eventStore()
  const handle = emmett.DeciderCommandHandler({ decide, evolve, initialState })
  await handle(store, 'c', { type: 'Add', data: tea })
  const { newState } = await handle(store, 'c', [{ type: 'Add', data: tea }, { type: 'Confirm' }])
  expect(newState).toEqual({ status: 'confirmed', items: { tea: 2 } })
  await expect(handle(store, 'c', { type: 'Add', data: tea })).rejects.toBeInstanceOf(emmett.IllegalStateError)
})

test('Event Versioning: events are stored in an older form, and read in the newer one', async () => {
  const store = await eventStore()
  const upcast = (event: { type: string; data: { sku?: string; count?: string } }): object => (
    event.data.count === undefined ? event : { ...event, data: { sku: event.data.sku, quantity: Number(event.data.count) } }
  )
  const downcast = (event: CartEvent): object => (
    'quantity' in event.data ? { ...event, data: { sku: event.data.sku, count: `${event.data.quantity}` } } : event
  )
  // 0.42's command handler brings up what it reads only.
  await store.appendToStream('c', [added({ sku: 'tea', quantity: 3 })], { schema: { versioning: { downcast: downcast as never } } })
  const handle = handler({ schema: { versioning: { upcast } } })
  expect((await store.readStream('c')).events[0]!.data).toEqual({ sku: 'tea', count: '3' })
  expect((await handle(store, 'c', () => added())).newState.items).toEqual({ tea: 4 })
})

test('Projections: inline, of one stream and over several, updated before the append resolves', async () => {
  const database = emmett.getInMemoryDatabase()
  const counting = { canHandle: ['ItemAdded'], initialState: () => ({ count: 0 }), evolve: (document: Document, { data }: { data: Item }) => (
    { ...document, count: document.count + data.quantity }
  ) }
  const bySku = emmett.inMemoryMultiStreamProjection({ collectionName: 'skus', getDocumentId: ({ data }: { data: Item }) => data.sku, ...counting })
  const byCart = emmett.inMemorySingleStreamProjection({ collectionName: 'carts', ...counting })
  const store = await eventStore({ projections: emmett.inlineProjections([byCart, bySku]), projectionContext: { database } })
  const handle = handler()
  for (const id of ['cart-1', 'cart-2', 'cart-2']) await handle(store, id, () => added())
  const count = async (collection: string, id: string): Promise<number | undefined> => (
    (await database.collection(collection).findOne(({ _id }) => _id === id))?.count
  )
  expect([await count('carts', 'cart-1'), await count('carts', 'cart-2'), await count('skus', 'tea')]).toEqual([1, 2, 3])
})

test('Consumers: a reactor and a projector follow all streams, from where they were', async () => {
  const store = await eventStore()
  await store.appendToStream('cart-1', [added(), confirmed()])
  const checkpoints = await store.checkpoints()
  const seen: string[] = []
  const follow = async (until: bigint): Promise<void> => {
    const reactor = emmett.reactor({
      processorId: 'mails', checkpoints, canHandle: ['ItemAdded', 'Confirmed'],
      eachMessage: ({ type, metadata }: Message) => void seen.push(`${type} of ${metadata.streamName}`),
      stopAfter: ({ metadata }: Message) => metadata.globalPosition === until,
    })
    const consumer = store.consumer({ processors: [reactor] })
    await consumer.start()
    await consumer.close()
  }
  await follow(1n)
  await store.appendToStream('cart-2', [added()])
  await follow(2n)
  expect(seen).toEqual(['ItemAdded of cart-1', 'Confirmed of cart-1', 'ItemAdded of cart-2'])
  const database = emmett.getInMemoryDatabase()
  const projection = emmett.inMemorySingleStreamProjection({
    collectionName: 'carts', canHandle: ['ItemAdded'], initialState: () => ({ count: 0 }),
    evolve: (document: Document) => ({ ...document, count: document.count + 1 }),
  })
  const stopAfter = ({ metadata }: Message): boolean => metadata.globalPosition === 2n
  const projector = emmett.inMemoryProjector({ processorId: 'carts', projection, connectionOptions: { database }, stopAfter })
  const consumer = store.consumer({ processors: [projector] })
  await consumer.start()
  await consumer.close()
  expect(await database.collection('carts').findOne(({ _id }) => _id === 'cart-2')).toMatchObject({ count: 1 })
})

test('Error Handling: what a decision throws appends nothing, and a failure may be an event', async () => {
  const store = await eventStore()
  const handle = handler()
  const none = handle(store, 'c', (cart) => decide({ type: 'Add', data: { sku: 'tea', quantity: 0 } }, cart))
  await expect(none).rejects.toBeInstanceOf(emmett.ValidationError)
  expect(await store.streamExists('c')).toBe(false)
  await handle(store, 'c', () => ({ type: 'OutOfStock', data: { sku: 'tea' } }) as never)
  expect((await store.readStream('c')).events.map(({ type }) => type)).toEqual(['OutOfStock'])
})
