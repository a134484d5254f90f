/*
 * Idempotent producers at the door that the listener uses: `appendBatch`. What a single batch may do is in producer-state.test.ts; here it
 * meets rounds, failures, crashes and snapshots.
 */
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { MAX_SEQUENCE } from '../../src/log/producer-rules.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const DAY = 86_400_000
/** Where a ManualClock begins. Producers age by the timestamps of their records. */
const NOW = Date.UTC(2026, 0, 1)

interface Sent {
  readonly count?: number
  readonly epoch?: number
  readonly producer?: number
  readonly timestamp?: number
}

function batch(sequence: number, { count = 1, epoch = 0, producer = 1, timestamp = NOW }: Sent = {}): Buffer {
  const records = Array.from({ length: count }, (_, index) => ({ value: Buffer.from(`${producer}:${epoch}:${sequence + index}`), timestamp }))
  return encodeBatch(records, { producerId: BigInt(producer), producerEpoch: epoch, baseSequence: sequence })
}

async function place(seed = 1): Promise<{ readonly disk: SimulatedDisk; readonly clock: ManualClock }> {
  const disk = new SimulatedDisk({ seed })
  disk.createFolderSync('/log')
  await disk.syncFolder('/')
  return { disk, clock: new ManualClock({ settle: async () => { await disk.runUntilIdle() } }) }
}

/** What an append answers: where, or the code of its error. */
function answer({ log }: Opened, bytes: Buffer): unknown {
  try {
    const { baseOffset, duplicate } = log.appendBatch(bytes)
    return duplicate ? ['again', baseOffset] : baseOffset
  } catch (error) {
    if (!isLogError(error)) throw error
    return error.code
  }
}

const values = ({ log }: Opened): (string | null)[] => [...log.read(textCodecs)].map(({ value }) => value)
const open = (files: FileSystem, clock: ManualClock, config = {}): Promise<Opened> => openLog(files, '/log', config, { clock })

test('a batch sent again before it is stored is answered with where it goes, and both wait for the same round', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  expect(answer(one, batch(0, { count: 3 }))).toBe(0)
  expect(answer(one, batch(3))).toBe(3)
  expect(answer(one, batch(0, { count: 3 }))).toEqual(['again', 0])
  expect(one.log.durableOffset).toBe(0)
  await Promise.all([one.log.durable(2), one.log.durable(2)])
  await one.log.flush()
  expect(values(one)).toEqual(['1:0:0', '1:0:1', '1:0:2', '1:0:3'])
  await one.close()
})

test('a batch whose round failed is unknown again: it may be sent anew, and what came behind it in vain as well', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  one.log.appendBatch(batch(0))
  await one.log.flush()
  disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 })
  const lost = one.log.appendBatch(batch(1))
  one.log.appendBatch(batch(2))
  await expect(one.log.durable(lost.baseOffset)).rejects.toMatchObject({ code: 'LOG_DISK_FULL' })
  await clock.advance(2000)
  await one.log.flush().catch(() => {})
  expect(answer(one, batch(2))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(one, batch(1))).toBe(3)
  expect(answer(one, batch(2))).toBe(4)
  await one.log.flush()
  expect(values(one)).toEqual(['1:0:0', '1:0:1', '1:0:2'])
  await one.close()
})

test('a client’s batch that a full disk refuses is told to who asks for it, and to nobody else', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock, { durability: 'os' })
  expect(one.log.writeNow(one.log.appendBatch(batch(0)).lastOffset)).toBe(true)
  disk.inject({ verb: 'write', path: /\.log$/, error: 'ENOSPC', times: 1 })
  const offsets = [batch(1), batch(2)].map((bytes) => one.log.appendBatch(bytes).lastOffset)
  const stored = offsets.map((offset) => one.log.durable(offset))
  expect(offsets.map((offset) => one.log.writeNow(offset))).toEqual([false, false])
  for (const each of stored) await expect(each).rejects.toMatchObject({ code: 'LOG_DISK_FULL' })
  await clock.advance(2000)
  expect(answer(one, batch(1))).toBe(3)
  await one.log.durable(3)
  expect(values(one)).toEqual(['1:0:0', '1:0:1'])
  await one.close()
})

test('what waits for the disk is not written at once', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  const { lastOffset } = one.log.appendBatch(batch(0))
  expect(one.log.writeNow(lastOffset)).toBe(false)
  await one.log.durable(lastOffset)
  expect(one.log.writeNow(lastOffset)).toBe(true)
  await one.close()
})

test('the last five batches are known, also across rounds, and none before them', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  for (let sequence = 0; sequence < 7; sequence++) {
    expect(answer(one, batch(sequence))).toBe(sequence)
    if (sequence % 2 === 0) await one.log.flush()
  }
  for (const sequence of [2, 3, 4, 5, 6]) expect(answer(one, batch(sequence))).toEqual(['again', sequence])
  for (const sequence of [0, 1]) expect(answer(one, batch(sequence))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(one, batch(8))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(one, batch(5, { count: 2 }))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(one, batch(7))).toBe(7)
  await one.close()
})

test('a new epoch begins with 0 and fences the one before; sequences wrap behind 2147483647', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  expect(answer(one, batch(MAX_SEQUENCE - 1, { count: 2 }))).toBe(0)
  expect(answer(one, batch(0))).toBe(2)
  expect(answer(one, batch(1, { epoch: 1 }))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(one, batch(0, { epoch: 1 }))).toBe(3)
  expect(answer(one, batch(1))).toBe('LOG_PRODUCER_FENCED')
  expect(answer(one, batch(0, { epoch: 1 }))).toEqual(['again', 3])
  await one.close()
})

for (const power of [false, true]) {
  test(`after ${power ? 'a power cut' : 'a kill'} snapshot and tail bring back who may send what`, async () => {
    for (let seed = 1; seed <= 10; seed++) {
      const { disk, clock } = await place(seed)
      const one = await open(disk, clock)
      one.log.appendBatch(batch(0, { count: 2 }))
      one.log.appendBatch(batch(0, { producer: 2 }))
      await one.log.roll()
      for (let sequence = 2; sequence < 8; sequence++) one.log.appendBatch(batch(sequence))
      one.log.appendBatch(batch(0, { producer: 3, epoch: 4 }))
      await one.log.flush()
      const two = await open(disk.fork(seed, { power }), clock)
      expect(two.log.recovery.clean).toBe(false)
      expect(answer(two, batch(0, { producer: 2 }))).toEqual(['again', 2])
      expect(answer(two, batch(3))).toEqual(['again', 4])
      expect(answer(two, batch(2))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
      expect(answer(two, batch(9))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
      expect(answer(two, batch(0, { producer: 3, epoch: 3 }))).toBe('LOG_PRODUCER_FENCED')
      expect(answer(two, batch(1, { producer: 3, epoch: 4 }))).toBe(10)
      expect(answer(two, batch(8))).toBe(11)
      expect(answer(two, batch(1, { producer: 2 }))).toBe(12)
      await two.close()
      await one.close()
    }
  })
}

test('after a close the last batch of each producer is known, and the log is not read for it', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock)
  for (let sequence = 0; sequence < 4; sequence++) one.log.appendBatch(batch(sequence))
  await one.close()
  const two = await open(disk, clock)
  expect(two.log.recovery).toMatchObject({ clean: true, scannedBytes: 0 })
  expect(answer(two, batch(3))).toEqual(['again', 3])
  expect(answer(two, batch(2))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  expect(answer(two, batch(4))).toBe(4)
  await two.close()
})

test('a producer that was idle for longer than the topic allows is forgotten: at open, and when it is asked for', async () => {
  const { disk, clock } = await place()
  const settings = { producerIdExpirationMs: DAY }
  const one = await open(disk, clock, settings)
  one.log.appendBatch(batch(0, { timestamp: clock.now() }))
  one.log.appendBatch(batch(0, { producer: 2, timestamp: clock.now() + DAY }))
  await one.log.flush()
  one.log.expireProducers(clock.now() + DAY - 1)
  expect(answer(one, batch(5))).toBe('LOG_SEQUENCE_OUT_OF_ORDER')
  one.log.expireProducers(clock.now() + DAY)
  expect([...one.log.producers].map(({ producerId }) => producerId)).toEqual([2n])
  expect(answer(one, batch(5, { timestamp: clock.now() }))).toBe(2)
  await one.close()
  clock.setNow(clock.now() + 3 * DAY)
  const two = await open(disk, clock, settings)
  expect([...two.log.producers]).toEqual([])
  expect(answer(two, batch(7))).toBe(3)
  await two.close()
})

test('where the log stamps records, producers age by its time, and a batch sent again is told with the time it got first', async () => {
  const { disk, clock } = await place()
  const one = await open(disk, clock, { messageTimestampType: 'LogAppendTime' })
  const then = clock.now()
  expect(one.log.appendBatch(batch(0, { timestamp: 5 }))).toMatchObject({ duplicate: false, timestamp: then })
  await clock.advance(50)
  expect(one.log.appendBatch(batch(0, { timestamp: 5 }))).toMatchObject({ duplicate: true, timestamp: then })
  await one.log.flush()
  expect([...one.log.producers]).toMatchObject([{ producerId: 1n, lastTimestamp: then }])
  await one.close()
})
