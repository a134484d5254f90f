/*
 * What a cleaning leaves of batches, step by step: the cases of Kafka's LogCleanerTest that readers of records cannot tell apart.
 */
import { expect, test } from 'vitest'
import { encodeBatch, type BatchHeader } from '../../src/format/batch.ts'
import { encodeEndTransactionMarker } from '../../src/format/control.ts'
import { MemoryFileSystem } from '../../src/files/memory.ts'
import { CleanerCheckpoint } from '../../src/log/cleaner-checkpoint.ts'
import { type LogConfig } from '../../src/log/config.ts'
import { scanBatches } from '../../src/log/scan.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const DAY = 86_400_000

class Log {
  readonly clock = new ManualClock()
  readonly files = new MemoryFileSystem({ clock: this.clock })
  opened!: Opened
  readonly #sequences = new Map<bigint, number>()

  static async open(config: Partial<LogConfig> = {}): Promise<Log> {
    const log = new Log()
    log.files.createFolderSync('/log')
    await log.reopen(config)
    return log
  }

  async reopen(config: Partial<LogConfig> = {}): Promise<void> {
    this.opened = await openLog(this.files, '/log', { cleanupPolicy: 'compact', ...config }, {
      clock: this.clock, cleaner: { checkpoint: new CleanerCheckpoint(this.files, '/log'), bufferBytes: Infinity },
    })
  }

  async put(key: string, value: string | null = 'v'): Promise<void> {
    const { log } = this.opened
    await log.durable(log.append(textCodecs, { key, value, timestamp: this.clock.now() }))
  }

  async send(producerId: bigint, keys: readonly string[], transactional = true): Promise<void> {
    const { log } = this.opened
    const baseSequence = this.#sequences.get(producerId) ?? 0
    this.#sequences.set(producerId, baseSequence + keys.length)
    const records = keys.map((key) => ({ key: Buffer.from(key), value: Buffer.from('v'), timestamp: this.clock.now() }))
    await log.durable(log.appendBatch(encodeBatch(records, { producerId, producerEpoch: 0, baseSequence, transactional })).lastOffset)
  }

  async end(producerId: bigint, type: 'COMMIT' | 'ABORT'): Promise<void> {
    const { log } = this.opened
    const marker = encodeEndTransactionMarker({ type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: this.clock.now() })
    await log.durable(log.appendBatch(marker, 'coordinator').lastOffset)
  }

  /** Cleans everything up to now. */
  async clean(): Promise<void> {
    await this.opened.log.roll()
    await this.opened.log.clean()
  }

  /** The batches of the files, in words: `0..2:3` has offsets 0 to 2 and three records; `!` stands for control, `+` for a horizon. */
  get batches(): string[] {
    return this.headers.map(({ baseOffset, lastOffset, recordCount, control, deleteHorizon }) => (
      `${baseOffset}..${lastOffset}:${recordCount}${control ? '!' : ''}${deleteHorizon ? '+' : ''}`
    ))
  }

  get headers(): BatchHeader[] {
    const headers: BatchHeader[] = []
    for (const name of this.files.listSync('/log/t-0').filter((one) => one.endsWith('.log'))) {
      const file = this.files.openSync(`/log/t-0/${name}`, 'read')
      scanBatches(file, { from: 0, to: file.sizeSync(), checkCrc: true, minOffset: 0 }, (header) => void headers.push(header))
      file.closeSync()
    }
    return headers
  }

  get aborted(): number {
    return this.opened.log.filter(0, Infinity) === undefined ? 0 : this.files.listSync('/log/t-0').filter((name) => name.endsWith('.txnindex')).length
  }
}

test('a commit marker stays while records of its transaction do, then gets a horizon, and goes when that has passed', async () => {
  const log = await Log.open()
  await log.send(1n, ['a'])
  await log.end(1n, 'COMMIT')
  await log.send(1n, ['b'])
  await log.end(1n, 'COMMIT')
  await log.put('a')
  await log.clean()
  expect(log.batches).toEqual(['1..1:1!', '2..2:1', '3..3:1!', '4..4:1'])
  await log.put('c')
  await log.clean()
  expect(log.batches).toEqual(['1..1:1!+', '2..2:1', '3..3:1!', '4..4:1', '5..5:1'])
  await log.clock.advance(DAY - 1)
  await log.put('d')
  await log.clean()
  expect(log.batches[0]).toBe('1..1:1!+')
  await log.clock.advance(1)
  await log.put('e')
  await log.clean()
  expect(log.batches[0]).toBe('2..2:1')
  await log.opened.close()
})

test('aborted records go with the first cleaning, their marker and its entry in the index stay until nothing is left', async () => {
  const log = await Log.open()
  await log.send(1n, ['a', 'b'])
  await log.end(1n, 'ABORT')
  await log.send(1n, ['c'], false)
  await log.clean()
  expect(log.batches).toEqual(['2..2:1!', '3..3:1'])
  expect(log.aborted).toBe(1)
  await log.put('d')
  await log.clean()
  expect(log.batches).toEqual(['2..2:1!+', '3..3:1', '4..4:1'])
  expect(log.files.listSync('/log/t-0').filter((name) => name.endsWith('.txnindex'))).toEqual([])
  await log.opened.close()
})

test('the last sequence of a producer stays in a batch without records, and a batch sent again is known after a restart', async () => {
  const log = await Log.open()
  await log.send(1n, ['a', 'b'], false)
  await log.put('a')
  await log.put('b')
  await log.clean()
  expect(log.batches).toEqual(['0..1:0', '2..2:1', '3..3:1'])
  const [empty] = log.headers
  expect(empty).toMatchObject({ producerId: 1n, baseSequence: 0, lastOffsetDelta: 1, baseTimestamp: -1 })
  await log.opened.close()
  for (const name of log.files.listSync('/log/t-0').filter((one) => one.endsWith('.snapshot'))) log.files.removeSync(`/log/t-0/${name}`)
  await log.reopen()
  const again = encodeBatch(['a', 'b'].map((key) => ({ key: Buffer.from(key), value: Buffer.from('v') })), {
    producerId: 1n, producerEpoch: 0, baseSequence: 0,
  })
  expect(log.opened.log.appendBatch(again)).toMatchObject({ duplicate: true, baseOffset: 0, lastOffset: 1 })
  await log.send(1n, ['c'], false).catch(() => {})
  await log.opened.close()
})

test('a tombstone stays for deleteRetentionMs after the cleaning that met it, whatever its own time', async () => {
  const log = await Log.open({ deleteRetentionMs: 1000 })
  await log.put('a')
  await log.clock.advance(5000)
  await log.put('a', null)
  await log.clock.advance(50_000)
  await log.put('z')
  await log.clean()
  expect(log.batches).toEqual(['1..1:1+', '2..2:1'])
  await log.clock.advance(999)
  await log.put('y')
  await log.clean()
  expect(log.batches[0]).toBe('1..1:1+')
  await log.clock.advance(1)
  await log.put('x')
  await log.clean()
  expect(log.batches[0]).toBe('2..2:1')
  await log.opened.close()
})

test('records without a key go, since nothing can take their place', async () => {
  const log = await Log.open({ cleanupPolicy: 'delete' })
  const { log: partition } = log.opened
  await partition.durable(partition.append(textCodecs, { value: 'no key' }))
  await log.put('a')
  await log.clean()
  expect(log.batches).toEqual(['1..1:1'])
  await log.opened.close()
})

test('what is younger than minCompactionLagMs stays, with all that is behind it', async () => {
  const log = await Log.open({ minCompactionLagMs: 1000 })
  await log.put('a')
  await log.put('a')
  await log.opened.log.roll()
  await log.clock.advance(500)
  await log.put('a')
  await log.put('a')
  await log.clock.advance(501)
  await log.clean()
  expect(log.batches).toEqual(['1..1:1', '2..2:1', '3..3:1'])
  await log.clock.advance(1000)
  await log.clean()
  expect(log.batches).toEqual(['3..3:1'])
  await log.opened.close()
})

test('a cleaning is due by its dirty part, or when a record has waited for too long', async () => {
  const log = await Log.open({ minCleanableDirtyRatio: 0.6, maxCompactionLagMs: 10_000 })
  const dirtiness = () => log.opened.log.dirtiness(log.clock.now())
  expect(dirtiness()).toMatchObject({ due: false, ratio: 0, cleanableBytes: 0 })
  await log.put('a')
  await log.opened.log.roll()
  expect(dirtiness()).toMatchObject({ due: true, ratio: 1 })
  await log.opened.log.clean()
  expect(dirtiness()).toMatchObject({ due: false, ratio: 0 })
  await log.put('b')
  await log.opened.log.roll()
  expect(dirtiness()).toMatchObject({ due: false, ratio: 0.5 })
  await log.clock.advance(10_001)
  expect(dirtiness()).toMatchObject({ due: true, ratio: 0.5 })
  await log.opened.close()
})

test('after a cut what comes in its place is looked at', async () => {
  const log = await Log.open()
  for (const key of ['a', 'b', 'c', 'd']) await log.put(key)
  await log.clean()
  await log.opened.log.truncateTo(1)
  for (const key of ['a', 'a', 'a']) await log.put(key)
  await log.clean()
  expect(log.batches).toEqual(['3..3:1'])
  await log.opened.close()
})

test('a disk that is full refuses a cleaning and nothing else; with room again it goes on', async () => {
  const clock = new ManualClock()
  const disk = new SimulatedDisk({ seed: 1, clock })
  disk.createFolderSync('/log')
  const { log, close } = await openLog(disk, '/log', { cleanupPolicy: 'compact', segmentBytes: 100_000 }, { clock })
  for (let index = 0; index < 400; index++) log.append(textCodecs, { key: `k${index % 200}`, value: 'v'.repeat(1000) })
  await log.flush()
  await log.roll()
  const { capacity } = disk
  disk.capacity = 0
  await expect(log.clean()).rejects.toMatchObject({ code: 'LOG_DISK_FULL' })
  expect(disk.listSync('/log/t-0').filter((name) => name.endsWith('.cleaned'))).toEqual([])
  // What found room takes the place of what it was made of.
  const left = Array.from(log.read(textCodecs), ({ offset }) => offset)
  expect([log.state, left.slice(-200)]).toEqual(['open', Array.from({ length: 200 }, (_, index) => 200 + index)])
  disk.capacity = capacity
  await log.clean()
  expect([...log.read(textCodecs)].length).toBe(200)
  await close()
  expect(disk.openHandles).toBe(0)
})
