/*
 * The cases of the store conformance suite: each a sentence that has to be true of an event store, and what shows it. They know nothing of
 * any store; store-conformance.ts runs them.
 */
import {
  type ConformanceCase, type ConformanceEvent, type ConformanceExpected, type ConformanceRecorded, expectSame, type StoreUnderTest,
} from './store-under-test.ts'

const event = (value: number, id?: string): ConformanceEvent => (
  { type: value % 2 === 0 ? 'Even' : 'Odd', data: { value }, ...(id !== undefined && { id }) }
)
const several = (from: number, count: number): ConformanceEvent[] => Array.from({ length: count }, (_, index) => event(from + index))
const valuesOf = (events: readonly ConformanceRecorded[]): unknown[] => events.map(({ data }) => (data as { value: unknown }).value)
const versionsOf = (events: readonly ConformanceRecorded[]): number[] => events.map(({ version }) => version)
const numbers = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, index) => from + index)

async function filled(store: StoreUnderTest, stream: string, count: number): Promise<void> {
  if (count > 0) await store.append(stream, several(1, count), { expected: 'any' })
}

/** The append is refused as a conflict, and nothing is stored. */
async function refused(store: StoreUnderTest, stream: string, expected: ConformanceExpected, current: number): Promise<void> {
  const error = await store.append(stream, [event(99)], { expected }).then(() => undefined, (failure: unknown) => ({ failure }))
  if (error === undefined) throw new Error(`an append that expects ${expected} of a stream at version ${current} was accepted`)
  const conflict = store.conflict(error.failure)
  if (conflict === undefined) throw new Error(`it was refused, but not as a conflict: ${String(error.failure)}`)
  expectSame((await store.read(stream)).version, current, 'the version behind a refused append')
}

const streams: readonly ConformanceCase[] = [
  {
    name: 'versions count from 1, one for each event, and data, type and order are kept',
    run: async (store) => {
      await store.append('s', several(1, 3), { expected: 'any' })
      await store.append('s', several(4, 2), { expected: 'any' })
      const { events, version, exists } = await store.read('s')
      expectSame([version, exists], [5, true], 'version and exists')
      expectSame([versionsOf(events), valuesOf(events)], [numbers(1, 5), numbers(1, 5)], 'versions and values')
      expectSame(events.map(({ type, stream }) => [type, stream]), numbers(1, 5).map((value) => [event(value).type, 's']), 'types and streams')
    },
  },
  {
    name: 'a stream without events does not exist and has version 0',
    run: async (store) => {
      const { events, version, exists } = await store.read('nobody')
      expectSame([version, exists, events.length], [0, false, 0], 'version, exists, events')
    },
  },
  {
    name: 'exists tells which streams have events',
    needs: (store) => store.exists !== undefined,
    run: async (store) => {
      await filled(store, 's', 1)
      expectSame([await store.exists!('s'), await store.exists!('t')], [true, false], 'exists')
    },
  },
  {
    name: 'an append gives the version behind it, and whether it began the stream',
    run: async (store) => {
      const first = await store.append('s', several(1, 2), { expected: 'any' })
      const second = await store.append('s', [event(3)], { expected: 'any' })
      expectSame([first.version, second.version], [2, 3], 'versions')
      if (first.created !== undefined) expectSame([first.created, second.created], [true, false], 'created')
    },
  },
  {
    name: 'streams do not know of each other, whatever their ids',
    run: async (store) => {
      const ids = ['a', 'a-1', 'a-10', 'A', 'ä', 'a b', 'a/b', 'a%b', 'a_b', 'a\'b', '0', '-1', '__proto__', 'constructor', 'x'.repeat(200)]
      for (const [index, id] of ids.entries()) await store.append(id, [event(index)], { expected: 'none' })
      for (const [index, id] of ids.entries()) expectSame(valuesOf((await store.read(id)).events), [index], `stream ${id}`)
    },
  },
  {
    name: 'data comes back as JSON has it',
    run: async (store) => {
      const nested = { yes: true, none: null, number: -0.5e-7, big: Number.MAX_SAFE_INTEGER }
      const data = { text: 'Zürich 🚲 \u0000 "\\', empty: '', list: [], nested }
      await store.append('s', [{ type: 'T', data }], { expected: 'any' })
      expectSame((await store.read('s')).events[0]?.data, data, 'data')
    },
  },
]

const expectations: readonly ConformanceCase[] = [
  {
    name: 'expected "none": the first append is taken, and one to a stream with events is a conflict',
    run: async (store) => {
      await store.append('s', [event(1)], { expected: 'none' })
      await refused(store, 's', 'none', 1)
    },
  },
  {
    name: 'expected "exists": an append to a stream with events is taken, and one to none is a conflict',
    run: async (store) => {
      await refused(store, 's', 'exists', 0)
      await filled(store, 's', 1)
      expectSame((await store.append('s', [event(2)], { expected: 'exists' })).version, 2, 'version')
    },
  },
  {
    name: 'an expected version is exact: older and newer ones are conflicts',
    run: async (store) => {
      await filled(store, 's', 3)
      for (const wrong of [1, 2, 4, 100]) await refused(store, 's', wrong, 3)
      expectSame((await store.append('s', [event(4)], { expected: 3 })).version, 4, 'version')
    },
  },
  {
    name: 'an expected version of a stream without events is a conflict',
    run: async (store) => refused(store, 's', 1, 0),
  },
  {
    name: 'a conflict tells the version that the stream has',
    run: async (store) => {
      await filled(store, 's', 3)
      const failure: unknown = await store.append('s', [event(9)], { expected: 2 }).then(() => undefined, (error: unknown) => error)
      expectSame(store.conflict(failure)?.current, 3, 'current')
    },
  },
  {
    name: 'of ten appends at the same time that expect "none", one wins',
    run: async (store) => {
      await race(store, 'none', 0)
    },
  },
  {
    name: 'of ten appends at the same time that expect the same version, one wins',
    run: async (store) => {
      await filled(store, 's', 2)
      await race(store, 2, 2)
    },
  },
  {
    name: 'fifty appends at the same time that expect nothing are all there, each once',
    run: async (store) => {
      await Promise.all(numbers(1, 50).map((value) => store.append('s', [event(value)], { expected: 'any' })))
      const { events, version } = await store.read('s')
      expectSame([version, versionsOf(events)], [50, numbers(1, 50)], 'versions')
      expectSame([...valuesOf(events)].sort((a, b) => Number(a) - Number(b)), numbers(1, 50), 'values')
    },
  },
  {
    name: 'the events of one append follow each other, whatever is appended at the same time',
    run: async (store) => {
      await Promise.all(numbers(0, 9).map((number) => store.append('s', several(number * 3, 3), { expected: 'any' })))
      const values = valuesOf((await store.read('s')).events) as number[]
      expectSame(values.length, 30, 'events')
      for (let at = 0; at < 30; at += 3) expectSame(values.slice(at, at + 3), numbers(values[at]!, values[at]! + 2), `events ${at + 1} to ${at + 3}`)
    },
  },
  {
    name: 'an append without events is refused, or changes nothing',
    run: async (store) => {
      await filled(store, 's', 1)
      await store.append('s', [], { expected: 'any' }).catch(() => {})
      expectSame((await store.read('s')).version, 1, 'version')
    },
  },
]

const ranges: readonly ConformanceCase[] = [
  {
    name: 'from and to are versions, both included',
    run: async (store) => {
      await filled(store, 's', 10)
      const read = async (range: { from?: number; to?: number }): Promise<number[]> => versionsOf((await store.read('s', range)).events)
      expectSame(await read({ from: 1 }), numbers(1, 10), 'from 1')
      expectSame(await read({ from: 4 }), numbers(4, 10), 'from 4')
      expectSame(await read({ to: 4 }), numbers(1, 4), 'to 4')
      expectSame(await read({ from: 4, to: 6 }), [4, 5, 6], 'from 4 to 6')
      expectSame(await read({ from: 10, to: 10 }), [10], 'from 10 to 10')
    },
  },
  {
    name: 'a limit is exact, alone and with a from',
    run: async (store) => {
      await filled(store, 's', 10)
      expectSame(versionsOf((await store.read('s', { limit: 3 })).events), [1, 2, 3], 'limit 3')
      expectSame(versionsOf((await store.read('s', { from: 4, limit: 3 })).events), [4, 5, 6], 'from 4, limit 3')
      expectSame(versionsOf((await store.read('s', { from: 1, limit: 1 })).events), [1], 'from 1, limit 1')
    },
  },
  {
    name: 'a read of a part tells the version of the whole stream',
    run: async (store) => {
      await filled(store, 's', 10)
      const parts = [{ to: 3 }, { from: 2, to: 4 }, { limit: 2 }]
      for (const part of parts) expectSame((await store.read('s', part)).version, 10, `the version that a read of ${inspected(part)} tells`)
    },
  },
  {
    name: 'a range past the end is empty, and the stream exists all the same',
    run: async (store) => {
      await filled(store, 's', 3)
      const { events, version, exists } = await store.read('s', { from: 4 })
      expectSame([events.length, version, exists], [0, 3, true], 'events, version, exists')
    },
  },
  {
    name: 'a stream is read backward, from its end or from a version on',
    needs: (store) => store.readBackward !== undefined,
    run: async (store) => {
      await filled(store, 's', 5)
      expectSame(versionsOf(await store.readBackward!('s')), [5, 4, 3, 2, 1], 'all')
      expectSame(versionsOf(await store.readBackward!('s', { to: 4, limit: 2 })), [4, 3], 'to 4, limit 2')
    },
  },
]

const order: readonly ConformanceCase[] = [
  {
    name: 'all events have one order, that of their appends, and positions rise in it',
    needs: (store) => store.all !== undefined,
    run: async (store) => {
      for (const value of numbers(1, 20)) await store.append(`s-${value % 3}`, [event(value)], { expected: 'any' })
      const events = await store.all!()
      expectSame(valuesOf(events), numbers(1, 20), 'values')
      const positions = events.map(({ position }) => position)
      if (positions.every((position) => position !== undefined)) {
        expectSame(positions.every((position, index) => index === 0 || position > positions[index - 1]!), true, 'positions rise')
      }
    },
  },
  {
    name: 'what is appended at the same time is in the order of all with dense versions in each stream',
    needs: (store) => store.all !== undefined,
    run: async (store) => {
      await Promise.all(numbers(1, 60).map((value) => store.append(`s-${value % 4}`, [event(value)], { expected: 'any' })))
      const events = await store.all!()
      expectSame(events.length, 60, 'events')
      for (const stream of ['s-0', 's-1', 's-2', 's-3']) {
        expectSame(versionsOf(events.filter((one) => one.stream === stream)), numbers(1, 15), `versions of ${stream}`)
      }
    },
  },
  {
    name: 'an append to several streams is stored whole, or not at all',
    needs: (store) => store.appendStreams !== undefined,
    run: async (store) => {
      await filled(store, 'a', 1)
      await store.appendStreams!([{ stream: 'a', events: [event(2)], expected: 1 }, { stream: 'b', events: [event(1)], expected: 'none' }])
      const both = [{ stream: 'a', events: [event(3)], expected: 2 as const }, { stream: 'b', events: [event(2)], expected: 'none' as const }]
      const failure: unknown = await store.appendStreams!(both).then(() => undefined, (error: unknown) => error)
      const conflict = failure === undefined ? undefined : store.conflict(failure)
      if (conflict === undefined) throw new Error('one of two streams was not as expected, and there was no conflict')
      expectSame([(await store.read('a')).version, (await store.read('b')).version], [2, 1], 'versions')
    },
  },
  {
    name: 'an append that is sent again with the same ids is stored once, and gets the first result',
    needs: (store) => store.idempotent === true,
    run: async (store) => {
      const events = [event(1, '0b9b2f1e-0000-4000-8000-000000000001'), event(2, '0b9b2f1e-0000-4000-8000-000000000002')]
      const first = await store.append('s', events, { expected: 'none' })
      await filled(store, 's', 2)
      const again = await store.append('s', events, { expected: 'none' })
      expectSame([again.version, again.duplicate], [first.version, true], 'version and duplicate')
      expectSame((await store.read('s')).version, 4, 'version')
    },
  },
  {
    name: 'a reopened store has what was appended, and goes on where it ended',
    needs: (store) => store.reopen !== undefined,
    run: async (store) => {
      await filled(store, 's', 5)
      await filled(store, 't', 2)
      const again = await store.reopen!()
      expectSame(valuesOf((await again.read('s')).events), numbers(1, 5), 'values')
      await refused(again, 's', 'none', 5)
      await refused(again, 's', 4, 5)
      expectSame((await again.append('s', [event(6)], { expected: 5 })).version, 6, 'version')
      return again
    },
  },
]

/** All cases, in an order to read them in. */
export const conformanceCases: readonly ConformanceCase[] = [...streams, ...expectations, ...ranges, ...order]

/** Ten appends at once of which one may win. */
async function race(store: StoreUnderTest, expected: ConformanceExpected, before: number): Promise<void> {
  const results = await Promise.allSettled(numbers(1, 10).map((value) => store.append('s', [event(value)], { expected })))
  const won = results.filter(({ status }) => status === 'fulfilled').length
  expectSame([won, (await store.read('s')).version], [1, before + 1], 'appends that won, and the version behind them')
  for (const result of results) {
    if (result.status === 'fulfilled' || store.conflict(result.reason) !== undefined) continue
    throw new Error(`it failed, but not as a conflict: ${String(result.reason)}`)
  }
}

function inspected(part: object): string {
  return Object.entries(part).map(([name, value]) => `${name} ${value}`).join(' ')
}
