/*
 * Reading in the middle of long streams: by places of events that are kept beside the segments, which may be missing, damaged or of another
 * history, and change nothing but how much is looked at.
 */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { defineEvents } from '../../src/events/define-events.ts'
import { type LocalEventStore, openStore } from '../../src/events/event-store.ts'
import { freeForgotten, truncateStream } from '../../src/events/forgetting.ts'
import { type EventPlace, SegmentIndex } from '../../src/events/segment-index.ts'
import { eventStore } from '../../src/events/index.ts'
import { CommitLog } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

type Counted = { readonly type: 'Counted'; readonly data: { readonly by: number; readonly padding: string } }

const FOLDER = '/log'
const PARTITION = `${FOLDER}/counter-0`
const INDEX = /^events-index-\d{20}$/
const Counters = defineEvents<Counted>('counter', { settings: { segmentBytes: 40_000, batchSize: 2000, durability: 'os' } })

async function open(disk: SimulatedDisk, options: { readonly readOnly?: boolean } = {}) {
  const log = await CommitLog.open(FOLDER, { files: disk, minFreeBytes: 0, ...options })
  return { log, store: await eventStore(log, Counters) }
}

/** Appends to each stream in turn. */
async function append(store: LocalEventStore<Counted>, streams: readonly string[], rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const under = streams.map((stream) => store.append(stream, { type: 'Counted', data: { by: round, padding: '.'.repeat(round % 50) } }))
    await Promise.all(under)
  }
}

function indexes(disk: SimulatedDisk): string[] {
  return disk.listSync(PARTITION).filter((name) => INDEX.test(name))
}

/** How many times files were read by `work`. */
async function readsOf(disk: SimulatedDisk, work: () => Promise<unknown>): Promise<number> {
  const before = disk.journal.length
  await work()
  return disk.journal.slice(before).filter(({ verb }) => verb === 'read').length
}

async function versions(store: LocalEventStore<Counted>, stream: string, range: Parameters<LocalEventStore['read']>[1]): Promise<number[]> {
  const { events } = await store.read(stream, range)
  for (const { data, version, stream: of } of events) expect([of, data.by]).toEqual([stream, version - 1])
  return events.map(({ version }) => version)
}

const span = (from: number, count: number): number[] => Array.from({ length: count }, (_, index) => from + index)

test('a segment that is sealed gets an index, and a part of a long stream is read without what lies behind it', async () => {
  const disk = new SimulatedDisk({ seed: 1, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a', 'b'], 3000)
  await log.close()
  const sealed = disk.listSync(PARTITION).filter((name) => name.endsWith('.log')).length - 1
  expect(sealed).toBeGreaterThan(10)
  expect(indexes(disk)).toHaveLength(sealed)

  const again = await open(disk)
  for (const from of [1, 64, 65, 1000, 1473, 2900]) {
    const reads = await readsOf(disk, async () => expect(await versions(again.store, 'a', { from, limit: 20 })).toEqual(span(from, 20)))
    expect(reads).toBeLessThan(300)
  }
  expect(await versions(again.store, 'b', { to: 700, limit: 3, direction: 'backward' })).toEqual([700, 699, 698])
  expect(await versions(again.store, 'b', { from: 2995 })).toEqual(span(2995, 6))
  expect(await versions(again.store, 'a', {})).toEqual(span(1, 3000))
  await again.log.close()
})

test('no index is read when the store is opened', async () => {
  const disk = new SimulatedDisk({ seed: 2, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a'], 2000)
  await log.close()
  const before = disk.journal.length
  const again = await open(disk)
  const touched = disk.journal.slice(before).filter(({ path }) => INDEX.test(path.split('/').pop()!))
  expect(touched).toEqual([])
  await again.log.close()
})

test('a retry with an expected version that is long gone is found in the middle of its stream', async () => {
  const disk = new SimulatedDisk({ seed: 3, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a'], 100)
  const event = { type: 'Counted', data: { by: 100, padding: '' }, id: 'once' } as const
  const { position } = await store.append('a', event, { expected: 100 })
  for (let round = 101; round < 3000; round++) await store.append('a', { type: 'Counted', data: { by: round, padding: '' } })
  await log.close()
  const again = await open(disk)
  const reads = await readsOf(disk, async () => {
    expect(await again.store.append('a', event, { expected: 100 })).toMatchObject({ version: 101, position, duplicate: true })
  })
  expect(reads).toBeLessThan(300)
  await again.log.close()
})

for (const { what, harm } of [
  { what: 'missing', harm: (disk: SimulatedDisk, path: string) => disk.removeSync(path) },
  { what: 'cut', harm: (disk: SimulatedDisk, path: string) => write(disk, path, disk.openSync(path, 'read').sizeSync() - 1) },
  { what: 'damaged', harm: (disk: SimulatedDisk, path: string) => write(disk, path, undefined, 40) },
  { what: 'of another kind', harm: (disk: SimulatedDisk, path: string) => write(disk, path, undefined, 5) },
  { what: 'of another segment', harm: (disk: SimulatedDisk, path: string) => exchange(disk, path, indexes(disk)[0]!) },
]) {
  test(`an index that is ${what} is made again from its segment`, async () => {
    const disk = new SimulatedDisk({ seed: 4, journalLimit: 1_000_000 })
    const { log, store } = await open(disk)
    await append(store, ['a', 'b', 'c'], 1500)
    await log.close()
    const whole = indexes(disk).map((name) => contents(disk, name))
    for (const name of indexes(disk).slice(1)) harm(disk, `${PARTITION}/${name}`)

    const again = await open(disk)
    for (const from of [1, 500, 1000]) expect(await versions(again.store, 'b', { from, limit: 10 })).toEqual(span(from, 10))
    // All were looked for, or lie where nobody looked.
    await again.log.close()
    const made = indexes(disk).map((name) => contents(disk, name))
    expect(made.filter((bytes) => whole.some((one) => one.equals(bytes))).length).toBeGreaterThan(1)
  })
}

test('without the checkpoint everything is made again', async () => {
  const disk = new SimulatedDisk({ seed: 5, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a', 'b'], 2000)
  await log.close()
  for (const name of [...indexes(disk), 'events-index']) disk.removeSync(`${PARTITION}/${name}`)
  const again = await open(disk)
  expect(await versions(again.store, 'a', { from: 900, limit: 5 })).toEqual(span(900, 5))
  await again.log.close()
  expect(indexes(disk).length).toBeGreaterThan(5)
})

test('places of the segment that is written outlive a close', async () => {
  const disk = new SimulatedDisk({ seed: 6, journalLimit: 1_000_000 })
  const definition = defineEvents<Counted>('counter', { settings: { batchSize: 2000, durability: 'os' } })
  const log = await CommitLog.open(FOLDER, { files: disk, minFreeBytes: 0 })
  await append(await eventStore(log, definition), ['a'], 3000)
  await log.close()
  const reopened = await CommitLog.open(FOLDER, { files: disk, minFreeBytes: 0 })
  const store = await eventStore(reopened, definition)
  const reads = await readsOf(disk, async () => expect(await versions(store, 'a', { from: 5, limit: 5 })).toEqual(span(5, 5)))
  expect(reads).toBeLessThan(100)
  await reopened.close()
})

test('a log in memory has indexes in memory', async () => {
  const log = await CommitLog.memory()
  const store = await eventStore(log, Counters)
  await append(store, ['a'], 2500)
  expect(await versions(store, 'a', { from: 100, limit: 3 })).toEqual([100, 101, 102])
  await log.close()
})

test('beside a writer nothing is written, and parts of streams are read', async () => {
  const disk = new SimulatedDisk({ seed: 7, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a'], 1500)
  await log.close()
  for (const name of indexes(disk)) disk.removeSync(`${PARTITION}/${name}`)
  const reader = await open(disk, { readOnly: true })
  expect(await versions(reader.store, 'a', { from: 10, limit: 3 })).toEqual([10, 11, 12])
  await reader.log.close()
  expect(indexes(disk)).toEqual([])
})

test('events that were forgotten and freed change no place that is kept', async () => {
  const disk = new SimulatedDisk({ seed: 8, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a', 'b'], 2000)
  await truncateStream(store, 'a', { before: 1500 })
  expect((await freeForgotten(store)).events).toBe(1499)
  for (const one of [{ log, store }, undefined]) {
    const { log: opened, store: carts } = one ?? (await open(disk))
    expect(await versions(carts, 'a', { from: 1, limit: 5 })).toEqual(span(1500, 5))
    expect(await versions(carts, 'a', { from: 1500, limit: 5 })).toEqual(span(1500, 5))
    expect(await versions(carts, 'b', { from: 300, limit: 5 })).toEqual(span(300, 5))
    await opened.close()
  }
})

test('what was cut off the log is not looked for in an index of that time', async () => {
  const disk = new SimulatedDisk({ seed: 9, journalLimit: 1_000_000 })
  const { log, store } = await open(disk)
  await append(store, ['a', 'b'], 2000)
  await store.core.log.truncateTo(1000)
  await store.core.settled()
  expect(store.head('a')).toBe(500)
  const fresh = Array.from({ length: 1500 }, (_, number) => ({ type: 'Counted', data: { by: 500 + number, padding: '' } }) as const)
  for (const event of fresh) await store.append('a', event)
  expect(await versions(store, 'a', { from: 600, limit: 5 })).toEqual(span(600, 5))
  await log.close()
  const again = await open(disk)
  for (const from of [1, 450, 700, 1200]) expect(await versions(again.store, 'a', { from, limit: 5 })).toEqual(span(from, 5))
  await again.log.close()
})

test('ids that all have one hash are told apart in the middle of their streams', async () => {
  const disk = new SimulatedDisk({ seed: 10, journalLimit: 1_000_000 })
  const log = await CommitLog.open(FOLDER, { files: disk, minFreeBytes: 0 })
  const store = await openStore(log, Counters, {}, () => 3)
  await append(store, ['a', 'aa', 'b', 'ä'], 1000)
  for (const stream of ['a', 'aa', 'b', 'ä']) expect(await versions(store, stream, { from: 200, limit: 4 })).toEqual(span(200, 4))
  await log.close()
})

test('compressed batches have no places in files, and their events are found all the same', async () => {
  const disk = new SimulatedDisk({ seed: 11, journalLimit: 1_000_000 })
  const definition = defineEvents<Counted>('counter', { settings: { segmentBytes: 20_000, batchSize: 2000, compressionType: 'gzip' } })
  const log = await CommitLog.open(FOLDER, { files: disk, minFreeBytes: 0 })
  const store = await eventStore(log, definition)
  for (let round = 0; round < 15; round++) {
    await store.append('a', span(round * 100, 100).map((by) => ({ type: 'Counted', data: { by, padding: '.' } })))
  }
  expect(await versions(store, 'a', { from: 700, limit: 5 })).toEqual(span(700, 5))
  await log.close()
})

test('an index finds the places that it was made of, and no others', () => {
  const place = fc.record({
    offset: fc.nat(1_000_000), position: fc.nat(0xffff_ffff), at: fc.nat(0xffff_ffff), size: fc.nat(0xffff_ffff),
  })
  const streams = fc.dictionary(fc.string({ minLength: 1, maxLength: 8, unit: 'binary-ascii' }), fc.array(place, { minLength: 1, maxLength: 12 }))
  fc.assert(fc.property(streams, fc.nat(1_000_000), (given, baseOffset) => {
    const lists = new Map<string, EventPlace[]>()
    for (const [id, places] of Object.entries(given)) {
      lists.set(id, places.map((one, index) => ({ ...one, offset: baseOffset + one.offset, version: (index + 2) * 64 })))
    }
    const segment = { epoch: 3, baseOffset, endOffset: baseOffset + 2_000_000 }
    const index = SegmentIndex.decode(SegmentIndex.of(segment, lists).encode(), 'test')
    expect(index.segment).toEqual(segment)
    for (const [id, places] of lists) {
      expect(index.rangeOf(Buffer.from(id))).toEqual({ first: 128, last: 64 + places.length * 64 })
      for (const one of places) expect(index.placeOf(Buffer.from(id), one.version)).toEqual(one)
      expect(index.placeOf(Buffer.from(id), 64)).toBeUndefined()
      expect(index.placeOf(Buffer.from(id), 64 + places.length * 64 + 64)).toBeUndefined()
    }
    for (const id of ['', 'no such stream', '~']) if (!lists.has(id)) expect(index.rangeOf(Buffer.from(id))).toBeUndefined()
  }), { verbose: true })
})

function contents(disk: SimulatedDisk, name: string): Buffer {
  const file = disk.openSync(`${PARTITION}/${name}`, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0, bytes.length, 0)
  file.closeSync()
  return bytes
}

/** Cuts a file to a size, or turns a bit of it. */
function write(disk: SimulatedDisk, path: string, size: number | undefined, flip?: number): void {
  const bytes = contents(disk, path.split('/').pop()!).subarray(0, size)
  if (flip !== undefined) bytes[flip]! ^= 1
  disk.removeSync(path)
  const file = disk.openSync(path, 'create')
  file.writeSync(bytes, 0, bytes.length, 0)
  file.closeSync()
}

function exchange(disk: SimulatedDisk, path: string, name: string): void {
  const bytes = contents(disk, name)
  disk.removeSync(path)
  const file = disk.openSync(path, 'create')
  file.writeSync(bytes, 0, bytes.length, 0)
  file.closeSync()
}
