import { readdirSync, readFileSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import * as batch from '../../src/format/batch.ts'
import { readEndTransactionMarker } from '../../src/format/control.ts'
import { checkOffsetIndex, checkTimeIndex } from '../../src/format/index-entry.ts'
import { encodeLeaderEpochs, parseLeaderEpochs } from '../../src/format/leader-epoch-checkpoint.ts'
import { logFileName, parseFileName } from '../../src/format/names.ts'
import { encodePartitionMetadata, parsePartitionMetadata } from '../../src/format/partition-metadata.ts'
import { decodeProducerSnapshot, encodeProducerSnapshot } from '../../src/format/producer-snapshot.ts'
import { decodeTxnIndex, encodeTxnIndexEntry } from '../../src/format/txn-index-entry.ts'
import { codecInstalled } from '../tools/batches.ts'

// Partitions as a broker of Kafka 4.1.1 left them: test/fixtures/README.md.
const partitions = [
  ['basic', 'basic-1'],
  ['compacted', 'compacted-0'],
  ['compacted', 'compacted-txn-kept-0'],
  ['logappendtime', 'logappendtime-0'],
] as const

interface Line {
  readonly offset: number
  readonly timestamp: number
  readonly timestampType: string
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
  readonly leaderEpoch: number
}

test.each(partitions)("what Kafka's consumer read in %s from %s is read", (name, folder) => {
  const readable = batchesOf(name, folder).filter(({ header }) => codecInstalled(header.compression))
  const lines = readable.flatMap(({ bytes }) => {
    const { header, records } = batch.decodeBatch(bytes, 0, bytes.length)
    return header.control ? [] : records.map((record) => asLine(header, record))
  })
  const inReadable = (offset: number): boolean => readable.some(({ header }) => offset >= header.baseOffset && offset <= header.lastOffset)
  expect(lines.length).toBeGreaterThan(5)
  expect(lines).toEqual(expectedLines(name, folder).filter(({ offset }) => inReadable(offset)))
})

test.each(partitions)('every uncompressed batch in %s from %s, encoded again, has the same bytes', (name, folder) => {
  const plain = batchesOf(name, folder).filter(({ header }) => header.compression === 'none')
  expect(plain.length).toBeGreaterThan(0)
  for (const { bytes, header } of plain) expect(encodedAgain(bytes, header).toString('hex')).toBe(bytes.toString('hex'))
})

test('control batches are markers, and aborted transactions are in the index of their segment', () => {
  const control = batchesOf('compacted', 'compacted-txn-kept-0').filter(({ header }) => header.control && header.recordCount > 0)
  const aborted = control.filter(({ bytes }) => {
    const [record] = batch.decodeBatch(bytes, 0, bytes.length).records
    return readEndTransactionMarker(record!.key, record!.value)?.type === 'ABORT'
  })
  const index = read('compacted', 'compacted-txn-kept-0', '00000000000000000000.txnindex')
  const entries = decodeTxnIndex(index, 0, 'a file')
  expect(entries.map(({ lastOffset, producerId }) => [lastOffset, producerId])).toEqual(
    aborted.map(({ header }) => [header.lastOffset, header.producerId]),
  )
  expect(Buffer.concat(entries.map(encodeTxnIndexEntry))).toEqual(index)
})

test.each(partitions)('the files beside the log in %s from %s are read, and written with the same bytes', (name, folder) => {
  for (const file of readdirSync(new URL(`log/${folder}/`, caseUrl(name)))) {
    const bytes = read(name, folder, file)
    const parsed = parseFileName(file)
    if (file === 'leader-epoch-checkpoint') expect(encodeLeaderEpochs(parseLeaderEpochs(bytes, file))).toEqual(bytes)
    else if (file === 'partition.metadata') expect(encodePartitionMetadata(parsePartitionMetadata(bytes, file))).toEqual(bytes)
    else if (parsed?.kind === 'snapshot') expect(encodeProducerSnapshot(decodeProducerSnapshot(bytes, file))).toEqual(bytes)
    else if (parsed?.kind === 'timeindex') expect(checkTimeIndex(bytes)).toEqual({ count: bytes.length / 12, tail: 'none' })
    else if (parsed?.kind === 'index') {
      const logSize = read(name, folder, logFileName(parsed.baseOffset)).length
      expect(checkOffsetIndex(bytes, logSize)).toEqual({ count: bytes.length / 8, tail: 'none' })
    } else expect(parsed?.kind, file).toMatch(/^(?:log|txnindex)$/)
  }
})

function batchesOf(name: string, folder: string): { bytes: Buffer; header: batch.BatchHeader }[] {
  const logs = readdirSync(new URL(`log/${folder}/`, caseUrl(name))).filter((file) => file.endsWith('.log'))
  return logs.flatMap((file) => {
    const log = read(name, folder, file)
    const found: { bytes: Buffer; header: batch.BatchHeader }[] = []
    for (let at = 0; at < log.length; at += found.at(-1)!.header.size) {
      expect(batch.batchDamage(log, at, log.length)).toBeUndefined()
      const header = batch.readBatchHeader(log, at, log.length)
      found.push({ header, bytes: log.subarray(at, at + header.size) })
    }
    return found
  })
}

function encodedAgain(bytes: Buffer, header: batch.BatchHeader): Buffer {
  const { producerId, baseTimestamp, deleteHorizon, compression, ...rest } = header
  // The timestamps of records that carry their append time are only in their deltas.
  const timestamps: number[] = []
  batch.forEachRecord(bytes.subarray(batch.RECORDS_AT), header, ({ timestampDelta }) => timestamps.push(baseTimestamp + timestampDelta))
  const records = batch.decodeBatch(bytes, 0, bytes.length).records.map((record, index) => ({ ...record, timestamp: timestamps[index]! }))
  const producer = producerId === batch.NO_PRODUCER_ID ? {} : { producerId }
  return batch.encodeBatch(records, { ...rest, ...producer, ...(deleteHorizon ? { deleteHorizonMs: baseTimestamp } : {}) })
}

function asLine({ timestampType, leaderEpoch }: batch.BatchHeader, { offset, timestamp, key, value, headers }: batch.DecodedRecord): Line {
  const text = (bytes: Buffer | null): string | null => bytes?.toString('base64') ?? null
  const pairs = headers.map((header) => ({ key: header[0], value: text(header[1]) }))
  return { offset, timestamp, timestampType, key: text(key), value: text(value), headers: pairs, leaderEpoch }
}

function expectedLines(name: string, folder: string): Line[] {
  const text = gunzipSync(readFileSync(new URL('expected.jsonl.gz', caseUrl(name)))).toString()
  const all = text.split('\n').filter(Boolean).map((line) => JSON.parse(line) as Line & { topic: string; partition: number; readCommitted: boolean })
  const own = all.filter(({ topic, partition }) => `${topic}-${partition}` === folder)
  return own.map(({ topic, partition, readCommitted, ...line }) => line)
}

function read(name: string, folder: string, file: string): Buffer {
  return readFileSync(new URL(`log/${folder}/${file}`, caseUrl(name)))
}

function caseUrl(name: string): URL {
  return new URL(`../fixtures/kafka-4.1/${name}/`, import.meta.url)
}
