/*
 * What is kept in memory of a log, made from the batches that a real Kafka wrote, against the files that it wrote beside them: committed,
 * aborted and interleaved transactions of several producers over several segments, with `index.interval.bytes=200`.
 */
import { readdirSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { batchSize, readBatchHeader, type BatchHeader } from '../../src/format/batch.ts'
import { type EndTransactionMarker } from '../../src/format/control.ts'
import { encodeLeaderEpochs } from '../../src/format/leader-epoch-checkpoint.ts'
import { parseFileName, segmentName } from '../../src/format/names.ts'
import { decodeProducerSnapshot, type ProducerSnapshotEntry } from '../../src/format/producer-snapshot.ts'
import { readEndTransaction } from '../../src/log/end-transaction.ts'
import { Epochs } from '../../src/log/epochs.ts'
import { OffsetIndex } from '../../src/log/offset-index.ts'
import { ProducerState } from '../../src/log/producer-state.ts'
import { CommittedFilter } from '../../src/log/read-committed.ts'
import { TimeIndex } from '../../src/log/time-index.ts'
import { TxnIndex, collectAborted } from '../../src/log/txn-index.ts'
import { expectedRecords, fixture } from '../tools/fixtures.ts'

const INDEX_INTERVAL_BYTES = 200
const anySize = 10_485_760

interface Batch {
  readonly header: BatchHeader
  readonly position: number
  readonly marker: EndTransactionMarker | undefined
}

interface Segment {
  readonly baseOffset: number
  readonly size: number
  readonly batches: readonly Batch[]
  /** A file of the segment; no bytes when Kafka had nothing to write. */
  file(kind: string): Buffer
}

for (const { folder, end, stable } of [
  { folder: 'txn-0', end: 101, stable: 88 }, // a transaction was left open at offset 88
  { folder: 'txn-1', end: 90, stable: 90 },
]) {
  describe(`the log in ${folder}`, () => {
    const path = `txn/log/${folder}`
    const names = readdirSync(new URL(`../fixtures/kafka-4.1/${path}/`, import.meta.url))
    const segments = names.filter((name) => name.endsWith('.log')).map((name) => readSegment(path, names, parseFileName(name)!.baseOffset))
    const batches = segments.flatMap((segment) => segment.batches)

    test('leads to the producers of its snapshots, at each segment and at the end', () => {
      const state = new ProducerState()
      let compared = 0
      for (const { header, marker } of batches) {
        compared += Number(sameAsSnapshot(state, path, names))
        state.replay(header, marker)
      }
      expect(compared + Number(sameAsSnapshot(state, path, names))).toBe(segments.length)
      expect(state.endOffset).toBe(end)
    })

    test('goes on from any snapshot as if it had been read from the start', () => {
      const whole = new ProducerState()
      for (const { header, marker } of batches) whole.replay(header, marker)
      for (const { baseOffset } of segments.slice(1)) {
        const state = new ProducerState()
        state.load(snapshotOf(path, baseOffset), baseOffset, { now: 0, expirationMs: Infinity })
        for (const { header, marker } of batches) if (header.baseOffset >= baseOffset) state.replay(header, marker)
        state.onHighWatermark(end)
        expect(byProducer(state.snapshot())).toEqual(byProducer(whole.snapshot()))
        expect(state.lastStableOffset(end)).toBe(stable)
      }
    })

    test('leads to its transaction indexes, byte for byte', () => {
      for (const { index, segment } of withAborted(segments)) {
        expect(TxnIndex.load(segment.file('txnindex'), segment.baseOffset).entries).toEqual(index.entries)
        expect((index.takePending() ?? Buffer.alloc(0)).equals(segment.file('txnindex'))).toBe(true)
      }
    })

    test('gives a reader of committed records what a Kafka consumer got', () => {
      const filter = new CommittedFilter(collectAborted(withAborted(segments).map(({ index }) => index), 0, stable))
      const given = batches.filter(({ header }) => header.lastOffset < stable && filter.decide(header) === 'deliver')
      const offsets = given.flatMap(({ header }) => Array.from({ length: header.recordCount }, (_, delta) => header.baseOffset + delta))
      const expected = [...expectedRecords('txn').values()] as unknown as { partition: number; offset: number; readCommitted: boolean }[]
      const committed = expected.filter((record) => `txn-${record.partition}` === folder && record.readCommitted)
      expect(offsets).toEqual(committed.map((record) => record.offset))
    })

    test('leads to its offset and time indexes, byte for byte', () => {
      for (const segment of segments) {
        const { offsets, times } = indexesOf(segment)
        expect((offsets.takePending() ?? Buffer.alloc(0)).equals(segment.file('index'))).toBe(true)
        expect((times.takePending() ?? Buffer.alloc(0)).equals(segment.file('timeindex'))).toBe(true)
      }
    })

    test('is found by its indexes: every batch lies at or behind where they say, and not far', () => {
      for (const { baseOffset, size, batches: own, file } of segments) {
        const { index, tail } = OffsetIndex.load(file('index'), { baseOffset, maxBytes: anySize, validSize: size })
        expect(tail).toBe('none')
        for (const { header, position } of own) {
          const from = index.lookup(header.lastOffset)
          expect(from).toBeLessThanOrEqual(position)
          expect(position - from).toBeLessThanOrEqual(2 * INDEX_INTERVAL_BYTES + header.size)
        }
        const times = TimeIndex.load(file('timeindex'), { baseOffset, maxBytes: anySize, nextOffset: own.at(-1)!.header.lastOffset + 1 })
        expect(times.tail).toBe('none')
        expect(times.index.last.timestamp).toBe(Math.max(...own.map(({ header }) => header.maxTimestamp)))
      }
    })

    test('leads to its leader epochs', () => {
      const epochs = new Epochs()
      for (const { header } of batches) epochs.observe(header.leaderEpoch, header.baseOffset)
      expect(encodeLeaderEpochs(epochs.entries).equals(fixture(`${path}/leader-epoch-checkpoint`))).toBe(true)
    })
  })
}

function readSegment(path: string, names: readonly string[], baseOffset: number): Segment {
  const file = (kind: string): Buffer => {
    const name = `${segmentName(baseOffset)}.${kind}`
    return names.includes(name) ? fixture(`${path}/${name}`) : Buffer.alloc(0)
  }
  const log = file('log')
  const batches: Batch[] = []
  for (let position = 0; position < log.length; position += batchSize(log, position)) {
    const header = readBatchHeader(log, position, log.length)
    batches.push({ header, position, marker: header.control ? readEndTransaction(log, position, header) : undefined })
  }
  return { baseOffset, size: log.length, batches, file }
}

function snapshotOf(path: string, offset: number): ProducerSnapshotEntry[] {
  const name = `${segmentName(offset)}.snapshot`
  return decodeProducerSnapshot(fixture(`${path}/${name}`), name)
}

/** Compares when Kafka took a snapshot just there. */
function sameAsSnapshot(state: ProducerState, path: string, names: readonly string[]): boolean {
  if (!names.includes(`${segmentName(state.endOffset)}.snapshot`)) return false
  expect(byProducer(state.snapshot())).toEqual(byProducer(snapshotOf(path, state.endOffset)))
  return true
}

function byProducer(entries: readonly ProducerSnapshotEntry[]): ProducerSnapshotEntry[] {
  return entries.toSorted((one, other) => Number(one.producerId - other.producerId))
}

/** The segments with the transaction indexes that their batches lead to. */
function withAborted(segments: readonly Segment[]): { segment: Segment; index: TxnIndex }[] {
  const state = new ProducerState()
  return segments.map((segment) => {
    const index = new TxnIndex(segment.baseOffset)
    for (const { header, marker } of segment.batches) {
      const ended = state.replay(header, marker)
      if (ended?.aborted === true) index.append(ended)
    }
    return { segment, index }
  })
}

/** The indexes of a sealed segment by Kafka's rule: an entry for a batch when more than the interval was written since the last one. */
function indexesOf({ baseOffset, batches }: Segment): { offsets: OffsetIndex; times: TimeIndex } {
  const offsets = new OffsetIndex(baseOffset, anySize)
  const times = new TimeIndex(baseOffset, anySize)
  let largest = { maxTimestamp: -1, lastOffset: baseOffset }
  let bytesSinceEntry = 0
  for (const { header, position } of batches) {
    if (header.maxTimestamp > largest.maxTimestamp) largest = header
    if (bytesSinceEntry > INDEX_INTERVAL_BYTES) {
      offsets.append(header.lastOffset, position)
      times.maybeAppend(largest.maxTimestamp, largest.lastOffset)
      bytesSinceEntry = 0
    }
    bytesSinceEntry += header.size
  }
  times.maybeAppend(largest.maxTimestamp, largest.lastOffset, { seal: true })
  return { offsets, times }
}
