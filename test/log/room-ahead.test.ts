/*
 * Room ahead of the end of the active segment (src/log/room-ahead.ts), as it lies on the disk.
 */
import { expect, test } from 'vitest'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { bytesCodecs, openLog } from './harness.ts'

const LOG = '/data/t-0/00000000000000000000.log'

async function opened(): Promise<{ disk: SimulatedDisk; log: Awaited<ReturnType<typeof openLog>> }> {
  const disk = new SimulatedDisk()
  disk.createFolderSync('/data')
  return { disk, log: await openLog(disk, '/data', { durability: 'sync' }) }
}

test('a round that fills blocks writes zeros behind itself, and the rounds behind it go there', async () => {
  const { disk, log } = await opened()
  const append = (): Promise<void> => log.log.durable(log.log.append(bytesCodecs, { value: Buffer.alloc(7000, 1) }))
  await append()
  const room = disk.bytes(LOG).length
  expect(room).toBeGreaterThan(20 * 7000)
  for (let count = 0; count < 20; count++) await append()
  expect(disk.bytes(LOG).length).toBe(room)
  const { size } = log.log
  await log.close()
  expect(disk.bytes(LOG).length).toBe(size)
})

test('zeros are whole blocks, as many as are due by one call', async () => {
  const { disk, log } = await opened()
  for (let count = 0; count < 40; count++) await log.log.durable(log.log.append(bytesCodecs, { value: Buffer.alloc(7000, 1) }))
  const zeros = disk.journal.filter(({ verb, path }) => verb === 'write' && path === LOG)
    .map(({ detail }) => detail.split('+').map(Number)).filter(([, bytes]) => bytes! > 8000)
  expect(zeros.map(([position, bytes]) => [position! % 4096, bytes! % 4096])).toEqual([[0, 0], [0, 0]])
  await log.close()
})

test('zeros that find no room are no failure, and what there is of them is cut off at the close', async () => {
  const { disk, log } = await opened()
  disk.inject({ verb: 'write', path: /\.log$/, nth: 3, times: 1, error: 'ENOSPC' })
  await log.log.durable(log.log.append(bytesCodecs, { value: Buffer.alloc(7000, 1) }))
  expect(log.log.state).toBe('open')
  const { size } = log.log
  await log.close()
  expect(disk.bytes(LOG).length).toBe(size)
})

test('rounds smaller than a block write zeros behind themselves too, but never more than was written before', async () => {
  const { disk, log } = await opened()
  const zeros = (): number[] => disk.journal.filter(({ verb, path }) => verb === 'write' && path === LOG)
    .map(({ detail }) => Number(detail.split('+')[1])).filter((bytes) => bytes >= 4096)
  for (let count = 0; count < 20; count++) await log.log.durable(log.log.append(bytesCodecs, { value: Buffer.alloc(100, 1) }))
  expect(zeros()).toEqual([])
  for (let count = 0; count < 150; count++) await log.log.durable(log.log.append(bytesCodecs, { value: Buffer.alloc(100, 1) }))
  const { size } = log.log
  expect(zeros().length).toBeGreaterThan(1)
  expect(zeros().length).toBeLessThan(6)
  expect(zeros().reduce((sum, bytes) => sum + bytes, 0)).toBeLessThan(2 * size)
  await log.close()
  expect(disk.bytes(LOG).length).toBe(size)
})

test('zeros take no room that records need: a disk is filled to the end', async () => {
  for (const size of [300, 7000]) {
    const { disk, log: { log, close } } = await opened()
    const append = (): Promise<void> => log.durable(log.append(bytesCodecs, { value: Buffer.alloc(size, 1) }))
    disk.capacity = 8 * 1024 * 1024
    for (let count = 0; count < 40; count++) await append()
    await log.roll()
    disk.capacity -= disk.freeBytesSync('/data') - 100_000
    let stored = 0
    for (; stored < 70_000; stored += size) await append()
    await expect((async () => { for (;;) await append() })()).rejects.toMatchObject({ code: 'LOG_DISK_FULL' })
    await close()
  }
})
