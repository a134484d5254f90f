import { expect, test } from 'vitest'
import { encodeBatch } from '../../src/format/batch.ts'
import { fetch } from '../../src/kafka/apis/01-fetch.ts'
import { apiVersions } from '../../src/kafka/apis/18-api-versions.ts'
import { ByteReader } from '../../src/base/bytes.ts'
import { responseHeader } from '../../src/kafka/headers.ts'
import { startListener } from './harness.ts'

const BATCHES = 200
const VALUE_BYTES = 64 * 1024
const MIB = 1024 * 1024
const PIECES = 11
const VERSION = 11

/** The one record of a batch, whose bytes nobody else has. */
function valueOf(offset: number): Buffer {
  return Buffer.alloc(VALUE_BYTES, `record ${offset}, `)
}

function request(fetchOffset: number) {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: MIB }]
  return { maxWaitMs: 0, minBytes: 1, maxBytes: 8 * MIB, topics: [{ topic: 'large', partitions }] }
}

test('memory that answers lay in is used again, and a peer that reads late gets the bytes that it asked for', async () => {
  const { log, kafka, client } = await startListener()
  const topic = await log.topic('large', { durability: 'os', maxMessageBytes: MIB })
  const partition = (await kafka.cluster.open('large'))!.logs[0]!
  const stored: Buffer[] = []
  for (let offset = 0; offset < BATCHES; offset++) {
    const batch = encodeBatch([{ key: null, value: valueOf(offset) }])
    partition.appendBatch(batch, 'client')
    stored.push(batch)
  }
  await topic.flush()
  const records = (frame: Buffer): Buffer => {
    const reader = new ByteReader(frame, 4, frame.length, 'LOG_PROTOCOL_ERROR', 'an answer')
    responseHeader.at(0).decode(reader)
    return fetch.response.at(VERSION).decode(reader).responses[0]!.partitions[0]!.records!
  }
  /** Every batch as it was appended, but for what the log writes into it. */
  const expectFrom = (from: number, bytes: Buffer): void => {
    const size = stored[0]!.length
    expect(bytes.length).toBeGreaterThan(size)
    for (let at = 0; at < bytes.length; at += size) {
      expect(bytes.subarray(at + 16, at + size).equals(stored[from + at / size]!.subarray(16))).toBe(true)
    }
  }
  const [late, quick] = [await client(), await client()]
  await late.request(apiVersions, 0, {})
  late.pause()
  const offsets = Array.from({ length: PIECES }, (_, index) => index * 15)
  const answers = offsets.map((offset) => late.exchange(fetch, VERSION, request(offset)))
  for (let offset = 0; offset < BATCHES - 2; offset += 7) expectFrom(offset, records(await quick.exchange(fetch, VERSION, request(offset))))
  late.resume()
  for (const [index, answer] of answers.entries()) expectFrom(offsets[index]!, records(await answer))
})
