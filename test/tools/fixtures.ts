/*
 * Reads test/fixtures: what a real Kafka left on disk, and what its own tools say about it.
 */
import { readFileSync, readdirSync } from 'node:fs'
import { gunzipSync } from 'node:zlib'
import { batchSize, decodeBatch, type BatchHeader, type DecodedRecord } from '../../src/format/batch.ts'

/** One batch of a fixture, with the partition that it is in. */
export interface FixtureBatch {
  readonly topic: string
  readonly partition: number
  readonly bytes: Buffer
}

/** A line of expected.jsonl; bytes are base64. */
export interface ExpectedRecord {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly timestamp: number
  readonly key: string | null
  readonly value: string | null
  readonly headers: readonly { readonly key: string; readonly value: string | null }[]
}

/** The bytes of a file of a fixture: `fixture('snappy/blocks.batch')`. */
export function fixture(path: string): Buffer {
  return readFileSync(new URL(`../fixtures/kafka-4.1/${path}`, import.meta.url))
}

/** The lines of a gzipped text file of a fixture. */
export function fixtureLines(path: string): string[] {
  return gunzipSync(fixture(path)).toString('utf8').trimEnd().split('\n')
}

/** Every batch in the segments of a case. */
export function fixtureBatches(name: string): FixtureBatch[] {
  const root = new URL(`../fixtures/kafka-4.1/${name}/log/`, import.meta.url)
  return readdirSync(root).sort().flatMap((folder) => {
    const [, topic, partition] = /^(.+)-(\d+)$/.exec(folder)!
    const segments = readdirSync(new URL(`${folder}/`, root)).filter((file) => file.endsWith('.log')).sort()
    return segments.flatMap((file) => split(readFileSync(new URL(`${folder}/${file}`, root))))
      .map((bytes) => ({ topic: topic!, partition: Number(partition), bytes }))
  })
}

/** Every record of the batches of a case that is not a control record, with its batch's header. */
export function fixtureRecords(name: string): { topic: string; partition: number; header: BatchHeader; record: DecodedRecord }[] {
  return fixtureBatches(name).flatMap(({ topic, partition, bytes }) => {
    const { header, records } = decodeBatch(bytes, 0, bytes.length)
    return header.control ? [] : records.map((record) => ({ topic, partition, header, record }))
  })
}

/** What Kafka's consumer read, by topic, partition and offset. */
export function expectedRecords(name: string): Map<string, ExpectedRecord> {
  const records = fixtureLines(`${name}/expected.jsonl.gz`).map((line) => JSON.parse(line) as ExpectedRecord)
  return new Map(records.map((record) => [`${record.topic}-${record.partition}@${record.offset}`, record]))
}

function split(log: Buffer): Buffer[] {
  const batches: Buffer[] = []
  for (let at = 0; at < log.length; at += batchSize(log, at)) batches.push(log.subarray(at, at + batchSize(log, at)))
  return batches
}
