/*
 * Readers of events in other places: beside the writer in another process, and after a writer that was killed.
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { collect, diskLog, failure, freshFolder } from '../topics/harness.ts'
import { added, carts } from './harness.ts'

test('a read-only store beside the writer follows it', async () => {
  const folder = freshFolder()
  const writer = await carts(await diskLog(folder))
  await writer.append('a', added('x'))
  const reader = await carts(await diskLog(folder, { readOnly: true }))
  expect((await reader.read('a')).version).toBe(1)
  expect((await failure(() => reader.append('a', added('y')))).code).toBe('LOG_READ_ONLY')
  await writer.append('a', added('y'))
  await writer.append('b', added('z'))
  await expect.poll(async () => (await reader.read('a')).version).toBe(2)
  await expect.poll(async () => (await reader.read('b')).events.length).toBe(1)
  expect((await collect(reader.all({ until: 'end' }))).map(({ stream }) => stream)).toEqual(['a', 'a', 'b'])
})

test('a checkpoint is written as events come, and an open after a crash reads what is behind it', async () => {
  const disk = new SimulatedDisk({ seed: 5 })
  const open = (files: SimulatedDisk): Promise<CommitLog> => CommitLog.open('/log', { files, random: seededRandom(1), minFreeBytes: 0 })
  const store = await carts(await open(disk))
  for (let number = 0; number < 30; number++) await store.append(`s-${number % 3}`, added('x', number))
  await store.core.writeCheckpoint()
  expect(disk.statSync('/log/cart-0/events-index')).toBeDefined()
  for (let number = 30; number < 40; number++) await store.append(`s-${number % 3}`, added('x', number))
  const log = await open(disk.crash({ power: true }))
  const again = await carts(log)
  expect([0, 1, 2].map((number) => again.head(`s-${number}`))).toEqual([14, 13, 13])
  await log.close()
})

test('an index that cannot be made again is not believed, and is made when the disk reads again', async () => {
  const disk = new SimulatedDisk({ seed: 5 })
  const store = await carts(await CommitLog.open('/log', { files: disk, minFreeBytes: 0 }))
  for (let number = 0; number < 30; number++) await store.append(`s-${number % 3}`, added('x', number))
  store.core.index.cut(store.core.index.acknowledgedEnd - 1)
  disk.inject({ verb: 'read', path: '.log', error: 'EIO', times: 1, nth: 1 })
  expect((await failure(() => store.read('s-0'))).code).toBe('LOG_IO')
  disk.heal()
  expect((await failure(() => store.append('s-0', added('y'), { expected: 'none' }))).code).toBe('LOG_VERSION_CONFLICT')
  expect((await store.read('s-0')).version).toBe(10)
})

test('an index that the disk does not give costs only time', async () => {
  const disk = new SimulatedDisk({ seed: 5 })
  const first = await CommitLog.open('/log', { files: disk, minFreeBytes: 0 })
  await (await carts(first)).append('a', added('x'))
  await first.close()
  disk.inject({ verb: 'read', path: 'events-index', error: 'EIO', times: 1, nth: 1 })
  const store = await carts(await CommitLog.open('/log', { files: disk, minFreeBytes: 0 }))
  expect(store.head('a')).toBe(1)
})
