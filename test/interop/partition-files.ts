/*
 * What lies in a partition's folder, read from the files themselves and not through the log.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { batchDamage, batchSize } from '../../src/format/batch.ts'
import { parseFileName } from '../../src/format/names.ts'
import { decodeProducerSnapshot } from '../../src/format/producer-snapshot.ts'
import { type DescribedProducer } from './probe.ts'

/** Files that end in zeros, or in half an entry or batch. */
export function tails(path: string): string[] {
  return readdirSync(path).flatMap((name) => {
    const kind = parseFileName(name)?.kind
    const bytes = readFileSync(join(path, name))
    if (kind === 'log') {
      let at = 0
      while (batchDamage(bytes, at, bytes.length) === undefined) at += batchSize(bytes, at)
      return at === bytes.length ? [] : [`${name}: the last batch ends at ${at}, the file at ${bytes.length}`]
    }
    const entrySize = kind === 'index' ? 8 : kind === 'timeindex' ? 12 : undefined
    if (entrySize === undefined || bytes.length === 0) return []
    const ends = bytes.length % entrySize === 0 && bytes.subarray(-entrySize).some((byte) => byte !== 0)
    return ends ? [] : [`${name}: ${bytes.length} bytes, of which the last are ${bytes.subarray(-entrySize).toString('hex')}`]
  })
}

/** The base offsets of the segments in a partition's folder. */
export function segmentsOf(path: string): number[] {
  return readdirSync(path).sort().map(parseFileName).flatMap((file) => file?.kind === 'log' ? [file.baseOffset] : [])
}

/** The index files in a partition's folder, with their entries below an offset in hexadecimal. */
export function indexesOf(path: string, end: number): Map<string, string[]> {
  const files = readdirSync(path).sort().map((name) => ({ name, ...parseFileName(name) }))
  return new Map(files.flatMap(({ name, kind, baseOffset = 0 }): [string, string[]][] => {
    const entrySize = kind === 'index' ? 8 : kind === 'timeindex' ? 12 : kind === 'txnindex' ? 34 : undefined
    if (entrySize === undefined || baseOffset >= end) return []
    const bytes = readFileSync(join(path, name))
    const count = Math.ceil(bytes.length / entrySize)
    const entries = Array.from({ length: count }, (_, index) => bytes.subarray(index * entrySize, (index + 1) * entrySize))
    const offsetAt = kind === 'index' ? 0 : 8
    const kept = kind === 'txnindex' ? entries : entries.filter((entry) => baseOffset + entry.readInt32BE(offsetAt) < end)
    return [[name, kept.map((entry) => entry.toString('hex'))]]
  }))
}

/** The producers in the newest snapshot of a partition, as Kafka's admin client describes them. */
export function producersOf(path: string): DescribedProducer[] {
  const newest = readdirSync(path).filter((name) => name.endsWith('.snapshot')).sort().at(-1)
  if (newest === undefined) return []
  const entries = decodeProducerSnapshot(readFileSync(join(path, newest)), newest)
  return entries.map((entry) => ({
    producerId: Number(entry.producerId), producerEpoch: entry.epoch, lastSequence: entry.lastSequence, lastTimestamp: entry.timestamp,
    coordinatorEpoch: entry.coordinatorEpoch, transactionStart: entry.currentTxnFirstOffset,
  })).sort((one, other) => one.producerId - other.producerId)
}
