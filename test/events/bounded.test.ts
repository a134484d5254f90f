/*
 * What is loaded when something opens is taken in turns, and what is kept in memory has a bound, however much there is.
 */
import { expect, test } from 'vitest'
import { realClock } from '../../src/base/clock.ts'
import { emmettCheckpoints } from '../../src/emmett/checkpoints.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { SnapshotStore, snapshotTopic } from '../../src/events/snapshot-store.ts'
import { takeInTurns } from '../../src/events/take-in-turns.ts'
import { json, msgpack, string } from '../../src/topics/codecs.ts'
import { defineTopic } from '../../src/topics/define-topic.ts'
import { type Clock, type CommitLog } from '../../src/index.ts'
import { diskLog } from '../topics/harness.ts'

const MANY = 30_000

/** A clock by which a look at the time takes a millisecond, and which counts who lets the event loop turn. */
function countingClock(): Clock & { turns: number } {
  let looks = 0
  return {
    ...realClock,
    turns: 0,
    monotonic: () => realClock.monotonic() + ++looks,
    defer(callback) {
      this.turns++
      realClock.defer(callback)
    },
  }
}

async function send(log: CommitLog, name: string, key: (number: number) => string, value: (number: number) => unknown): Promise<void> {
  const codec = name.endsWith('snapshots') ? msgpack<unknown>() : json<unknown>()
  const topic = await log.topic(defineTopic(name, { partitions: 1, key: string, value: codec, cleanupPolicy: 'compact' }))
  await topic.send(Array.from({ length: MANY }, (_, number) => ({ key: key(number), value: value(number) })))
  await topic.close()
}

test('items are handed over in slices, in their order', async () => {
  const clock = countingClock()
  const taken: number[] = []
  await takeInTurns(Array.from({ length: MANY }, (_, number) => number), clock, (number) => void taken.push(number))
  expect([taken.length, taken.every((number, index) => number === index)]).toEqual([MANY, true])
  expect(clock.turns).toBeGreaterThan(30)
})

test('snapshots of many streams are found without holding the event loop, and so many as are remembered', async () => {
  const clock = countingClock()
  const log = await diskLog(undefined, { clock })
  const store = await eventStore<{ type: 'A', data: number }>(log, { category: 'c', settings: { durability: 'os' } })
  const stored = (state: number): object => ({ state, version: 1, position: 0, id: '' })
  await send(log, snapshotTopic('c'), (number) => `state@1/s-${number % (MANY / 2)}`, stored)
  const { id } = (await store.append('s-14999', { type: 'A', data: 1 }), (await store.read('s-14999')).events[0]!)
  await store.append('s-0', { type: 'A', data: 1 })
  const topic = await log.topic(defineTopic(snapshotTopic('c'), { partitions: 1, key: string, value: msgpack<unknown>(), cleanupPolicy: 'compact' }))
  await topic.send({ key: 'state@1/s-14999', value: { state: 'kept', version: 1, position: 0, id } })
  await topic.send({ key: 'state@1/s-0', value: null })
  const { core } = store
  const snapshots = new SnapshotStore<unknown>(core, 'state@1', 1, 1000)
  const slot = core.index.table.find('s-14999')
  clock.turns = 0
  expect(await snapshots.find('s-14999', core, slot)).toEqual({ state: 'kept', version: 1 })
  expect(clock.turns).toBeGreaterThan(30)
  expect(await snapshots.find('s-0', core, core.index.table.find('s-0'))).toBeUndefined()
  expect(snapshots.known).toBe(1000)
})

test('checkpoints of Emmett\'s processors are loaded without holding the event loop, each as it was stored last', async () => {
  const clock = countingClock()
  const log = await diskLog(undefined, { clock })
  await send(log, 'carts.processors', (number) => JSON.stringify([`p-${number % 10}`, '']), (number) => ({ position: String(number), version: 1 }))
  clock.turns = 0
  const { read } = await emmettCheckpoints(log, 'carts', '0.42')
  expect(clock.turns).toBeGreaterThan(30)
  expect(await read({ processorId: 'p-3' } as never, undefined as never)).toEqual({ lastCheckpoint: BigInt(MANY - 7) })
})
