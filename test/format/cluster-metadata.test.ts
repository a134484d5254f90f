/*
 * The log of a real controller, record by record against what Kafka's own dump tool says of it.
 */
import { expect, test } from 'vitest'
import { decodeMetadataRecord, type MetadataRecord } from '../../src/format/cluster-metadata.ts'
import { fixtureLines, fixtureRecords } from '../tools/fixtures.ts'

interface Dumped {
  readonly offset: number
  readonly type: string
  readonly version: number
  readonly data: object
}

const names: Readonly<Record<string, MetadataRecord['kind']>> = {
  TOPIC_RECORD: 'topic', PARTITION_RECORD: 'partition', CONFIG_RECORD: 'config', REMOVE_TOPIC_RECORD: 'removeTopic',
  PRODUCER_IDS_RECORD: 'producerIds', BEGIN_TRANSACTION_RECORD: 'beginTransaction', END_TRANSACTION_RECORD: 'endTransaction',
}

/** Kafka leaves out what is the default, and prints numbers that may be large as numbers. */
function asDumped(value: object): unknown {
  const given = Object.entries(value).filter(([name, field]) => field !== null && name !== 'leaderRecoveryState')
  return Object.fromEntries(given.map(([name, field]) => [name, typeof field === 'bigint' ? Number(field) : (field as unknown)]))
}

test('every record that speaks of topics and producer ids is what Kafka says it is, and all others are passed over', () => {
  const dumped = fixtureLines('cluster-metadata/records.jsonl.gz').map((line) => JSON.parse(line) as Dumped)
  const records = new Map(fixtureRecords('cluster-metadata').map(({ record }) => [record.offset, decodeMetadataRecord(record.value!)]))
  const seen = new Set<string>()
  for (const { offset, type, version, data } of dumped) {
    const decoded = records.get(offset)!
    records.delete(offset)
    seen.add(decoded.kind)
    expect({ offset, kind: decoded.kind }).toEqual({ offset, kind: names[type] ?? 'other' })
    if (decoded.kind !== 'other') expect({ offset, version: decoded.version, data: asDumped(decoded.value) }).toEqual({ offset, version, data })
  }
  // Lines of the dump that are too long for it: those that register brokers and controllers.
  expect([...records.values()].every(({ kind }) => kind === 'other')).toBe(true)
  expect([...seen].sort()).toEqual(['beginTransaction', 'config', 'endTransaction', 'other', 'partition', 'producerIds', 'topic'])
})

for (const { name, bytes, code } of [
  { name: 'a frame of another version', bytes: [2, 2, 0], code: 'LOG_VERSION_UNSUPPORTED' },
  { name: 'a record of a later version', bytes: [1, 2, 9], code: 'LOG_VERSION_UNSUPPORTED' },
  { name: 'a record that ends early', bytes: [1, 2, 0, 7, 0x61], code: 'LOG_DECODE_FAILED' },
  { name: 'a record that is too long', bytes: [1, 24, 0, 0, 0], code: 'LOG_DECODE_FAILED' },
  { name: 'nothing', bytes: [], code: 'LOG_DECODE_FAILED' },
]) test(`${name} is ${code}`, () => {
  expect(() => decodeMetadataRecord(Uint8Array.from(bytes))).toThrow(expect.objectContaining({ code }) as Error)
})
