/*
 * A read-only partition beside its writer: what it takes from the mark, and what readers of committed records get. What consumers see is
 * test/topics/following.test.ts.
 */
import { expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { Mark } from '../../src/log/mark.ts'
import { type Isolation, type PartitionLog } from '../../src/log/partition-log.ts'
import { freshDisk } from '../tools/fresh-disk.ts'
import { openLog, textCodecs, TOPIC_ID } from './harness.ts'

test('a mark whose newest slot is just being written says what it said before, not what an older slot says', async () => {
  const disk = freshDisk()
  disk.createFolderSync('/data')
  const mark = await Mark.open(disk, '/data', systemClock)
  const write = (watermark: number): void => {
    mark.slot(TOPIC_ID, 0).write({ epoch: 0, baseOffset: 0, position: 0, syncedOffset: 0, watermark, closed: false, producers: false })
  }
  const reader = Mark.openReadOnly(disk, '/data', systemClock)
  const read = (): number | undefined => {
    reader.refresh()
    return reader.slot(TOPIC_ID, 0).state?.watermark
  }
  write(1)
  await mark.sync()
  write(2)
  expect(read()).toBe(2)
  for (const name of ['mark-a', 'mark-b']) {
    const place = placeOf(disk.bytes(`/data/${name}`), 2)
    if (place !== undefined) disk.flip(`/data/${name}`, place)
  }
  expect(Mark.openReadOnly(disk, '/data', systemClock).slot(TOPIC_ID, 0).state?.watermark).toBe(1)
  expect(read()).toBe(2)
  write(3)
  expect(read()).toBe(3)
  await mark.close()
})

/** Where the slot with a watermark begins: the watermark is its last field. */
function placeOf(bytes: Uint8Array, watermark: number): number | undefined {
  for (let at = 64; at + 64 <= bytes.length; at += 64) if (Buffer.from(bytes).readBigInt64BE(at + 56) === BigInt(watermark)) return at
  return undefined
}

test('a reader of committed records sees as far beside the writer as in its process, from the beginning or later', async () => {
  const disk = freshDisk()
  disk.createFolderSync('/data')
  const { log, close } = await openLog(disk, '/data', { segmentBytes: 400 })
  const beside = async (): Promise<PartitionLog> => {
    return (await openLog(disk, '/data', { segmentBytes: 400 }, { readOnly: true, following: true, create: false })).log
  }
  const early = await beside()
  const producer = { producerEpoch: 0, transactional: true }
  const send = (producerId: bigint, baseSequence: number): void => {
    log.appendBatch(encodeBatch([{ key: null, value: Buffer.from(`${producerId}/${baseSequence}`) }], { ...producer, producerId, baseSequence }))
  }
  const end = (producerId: bigint, type: 'COMMIT' | 'ABORT'): void => {
    log.appendBatch(encodeEndTransactionMarker({ type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 1 }), 'coordinator')
  }
  const steps = [
    () => log.append(textCodecs, { value: 'plain' }), () => send(1n, 0), () => log.append(textCodecs, { value: 'between' }), () => send(2n, 0),
    () => send(1n, 1), () => end(1n, 'ABORT'), () => send(2n, 1), () => log.append(textCodecs, { value: 'more' }), () => end(2n, 'COMMIT'),
    () => send(1n, 2), () => end(1n, 'ABORT'), () => log.append(textCodecs, { value: 'last' }),
  ]
  for (const step of steps) {
    step()
    await log.flush()
    early.lookAgain()
    for (const reader of [early, await beside()]) {
      expect(reader.lastStableOffset).toBe(log.lastStableOffset)
      for (const isolation of ['read_committed', 'read_uncommitted'] as const) expect(values(reader, isolation)).toEqual(values(log, isolation))
    }
  }
  expect(values(early, 'read_committed')).toEqual(['plain', 'between', '2/0', '2/1', 'more', 'last'])
  expect(log.segmentCount).toBeGreaterThan(2)
  await close()
})

function values(log: PartitionLog, isolation: Isolation): (string | null)[] {
  return [...log.read(textCodecs, { isolation })].map(({ value }) => value)
}
