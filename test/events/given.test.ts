import { expect, test } from 'vitest'
import { type NewEvent, type RecordedEvent } from '../../src/events/types.ts'
import { given, recorded } from '../../src/testing/given.ts'

type CartEvent =
  | { readonly type: 'Added'; readonly data: { readonly sku: string } }
  | { readonly type: 'CheckedOut'; readonly data: { readonly items: number } }
type Command = { readonly kind: 'add'; readonly sku: string } | { readonly kind: 'check out' }
interface Cart { readonly items: readonly string[]; readonly done: boolean }

class Closed extends Error {}

const cart = {
  initial: (): Cart => ({ items: [], done: false }),
  evolve: (state: Cart, event: RecordedEvent<CartEvent>): Cart =>
    event.type === 'Added' ? { ...state, items: [...state.items, event.data.sku] } : { ...state, done: true },
  decide: (command: Command, state: Cart): NewEvent<CartEvent>[] => {
    if (state.done) throw new Closed('the cart is closed')
    if (command.kind === 'add') return state.items.includes(command.sku) ? [] : [added(command.sku)]
    return [{ type: 'CheckedOut', data: { items: state.items.length } }]
  },
}
const added = (sku: string): NewEvent<CartEvent> => ({ type: 'Added', data: { sku } })
const checkedOut: NewEvent<CartEvent> = { type: 'CheckedOut', data: { items: 1 } }

const failure = (work: () => unknown): Error & { actual?: unknown; expected?: unknown } => {
  try {
    work()
  } catch (error) {
    return error as Error
  }
  throw new Error('it did not fail')
}

test('given events, a command makes events happen', () => {
  given(cart)().when({ kind: 'add', sku: 'a' }).then(added('a'))
  given(cart)(added('a')).when({ kind: 'check out' }).then(checkedOut)
  given(cart)([added('a')]).when({ kind: 'check out' }).then([checkedOut])
  given(cart)(added('a')).when({ kind: 'add', sku: 'a' }).thenNothing()
})

test('the state is that of the events before, and of those that happened', () => {
  given(cart)(added('a')).thenState({ items: ['a'], done: false })
  given(cart)(added('a')).when({ kind: 'add', sku: 'b' }).thenState({ items: ['a', 'b'], done: false })
  expect(given(cart)(added('a')).state.items).toEqual(['a'])
})

test('a refusal is told by its class, its message, or a function', () => {
  const refused = given(cart)(added('a'), checkedOut).when({ kind: 'check out' })
  refused.thenThrows()
  refused.thenThrows(Closed)
  refused.thenThrows('closed')
  refused.thenThrows(/^the cart/)
  refused.thenThrows((error) => (error as Error).message.length > 5)
  expect(failure(() => refused.thenThrows(RangeError)).message).toContain('another reason')
  expect(failure(() => refused.then(checkedOut))).toBeInstanceOf(Closed)
})

test('other events are a difference that runners can show', () => {
  const wrong = failure(() => given(cart)().when({ kind: 'add', sku: 'a' }).then(added('b')))
  expect(wrong.name).toBe('AssertionError')
  expect(wrong).toMatchObject({ actual: [added('a')], expected: [added('b')] })
  expect(failure(() => given(cart)().when({ kind: 'add', sku: 'a' }).thenNothing()).message).toContain('other events')
  expect(failure(() => given(cart)().when({ kind: 'add', sku: 'a' }).thenThrows()).message).toContain('was to be refused')
})

test('ids and metadata count where they are named', () => {
  const decider = { ...cart, decide: (): NewEvent<CartEvent> => ({ ...added('a'), id: 'one', metadata: { by: 'me' } }) as NewEvent<CartEvent> }
  given(decider)().when({ kind: 'add' } as never).then(added('a'))
  const other = { ...added('a'), id: 'two' } as NewEvent<CartEvent>
  expect(failure(() => given(decider)().when({ kind: 'add' } as never).then(other)).message).toContain('two')
})

test('a function of the state may stand for a command, and deciders may be asynchronous', async () => {
  given(cart)(added('a')).when((state) => state.items.map(() => checkedOut)).then(checkedOut)
  const late = { ...cart, decide: async (command: Command, state: Cart) => cart.decide(command, state) }
  await given(late)().when({ kind: 'add', sku: 'a' }).then(added('a'))
  await given(late)(checkedOut).when({ kind: 'check out' }).thenThrows(Closed)
  await expect(given(late)().when({ kind: 'add', sku: 'a' }).then(added('b'))).rejects.toThrow('other events')
})

test('who awaits before saying what is expected is told so', async () => {
  await expect((async () => await (given(cart)().when({ kind: 'add', sku: 'a' }) as unknown))()).rejects.toThrow('say what is expected')
})

test('recorded events have numbers, ids and times', () => {
  expect(recorded<CartEvent>([added('a'), added('b')], 'c-1', 4)).toEqual([
    { type: 'Added', data: { sku: 'a' }, stream: 'c-1', version: 4, position: 3, id: 'event-4', time: 4, metadata: {} },
    { type: 'Added', data: { sku: 'b' }, stream: 'c-1', version: 5, position: 4, id: 'event-5', time: 5, metadata: {} },
  ])
})
