/*
 * The two requests that carry records, Produce and Fetch: read and written here, so that batches stay the bytes that they are. One version
 * of each, which Kafka has had since 2.8 and 2.7, and has still. And ConsumerGroupDescribe, which the package cannot read: it takes the names
 * of topics for one. The messages are those of format/messages/, which our listener answers by.
 */
import { ByteReader, ByteWriter } from '../base/bytes.ts'
import { consumerGroupDescribeRequest, consumerGroupDescribeResponse } from '../format/messages/consumer-group-describe.ts'
import { fetchRequest, fetchResponse } from '../format/messages/fetch.ts'
import { produceResponse } from '../format/messages/produce.ts'
import { type Decoded, type Encodable } from '../format/schema.ts'
import { type RawRequest } from './client.ts'

const PRODUCE_KEY = 0
const PRODUCE_VERSION = 9
const FETCH_KEY = 1
const FETCH_VERSION = 12

/** The key of ConsumerGroupDescribe. */
export const CONSUMER_GROUP_DESCRIBE_KEY = 69

/** Asks a coordinator for a group of the newer protocol. */
export function describeConsumerGroup(group: string): RawRequest<Decoded<typeof consumerGroupDescribeResponse>> {
  return {
    key: CONSUMER_GROUP_DESCRIBE_KEY, version: 0, body: [consumerGroupDescribeRequest.encode(0, { groupIds: [group] })],
    read: (bytes) => consumerGroupDescribeResponse.at(0).decode(readerOf(bytes, 'the description of a group')),
  }
}

/** What a broker answers to Produce. */
export type ProduceAnswer = Decoded<typeof produceResponse>

/** What a broker answers to Fetch. */
export type FetchAnswer = Decoded<typeof fetchResponse>

/** What a broker answers to Produce for one partition. */
export type ProducedPartition = ProduceAnswer['responses'][number]['partitionResponses'][number]

/** What a broker answers to Fetch for one partition. */
export type FetchedPartition = FetchAnswer['responses'][number]['partitions'][number]

/** Batches for a broker. */
export interface ProduceRequest {
  readonly transactionalId: string | undefined
  readonly timeoutMs: number
  readonly topics: readonly { readonly name: string; readonly partitions: readonly { readonly index: number; readonly records: Buffer }[] }[]
}

/** Acknowledged when every copy that counts has it. */
const ALL = -1

/** Asks a broker to store batches, with as many copies as count. */
export function produce(asked: ProduceRequest): RawRequest<ProduceAnswer> {
  return {
    key: PRODUCE_KEY, version: PRODUCE_VERSION, body: produceBody(asked),
    read: (bytes) => produceResponse.at(PRODUCE_VERSION).decode(readerOf(bytes, 'the answer to a send')),
  }
}

/**
 * The body of a Produce request, as pieces: batches are large, and not copied into it.
 *
 *   transactional_id acks:int16 timeout_ms:int32 [topics: name [partitions: index:int32 records tags] tags] tags
 */
function produceBody({ transactionalId, timeoutMs, topics }: ProduceRequest): Buffer[] {
  const pieces: Buffer[] = []
  let writer = new ByteWriter(Buffer.allocUnsafe(64))
  if (transactionalId === undefined) writer.uvarint(0)
  else putText(writer, transactionalId)
  writer.int16(ALL)
  writer.int32(timeoutMs)
  writer.uvarint(topics.length + 1)
  for (const { name, partitions } of topics) {
    putText(writer, name)
    writer.uvarint(partitions.length + 1)
    for (const { index, records: batch } of partitions) {
      writer.int32(index)
      writer.uvarint(batch.length + 1)
      pieces.push(writer.written(), batch)
      writer = new ByteWriter(Buffer.allocUnsafe(64))
      writer.uvarint(0)
    }
    writer.uvarint(0)
  }
  writer.uvarint(0)
  pieces.push(writer.written())
  return pieces
}

/** A compact string. */
function putText(writer: ByteWriter, text: string): void {
  const bytes = Buffer.from(text)
  writer.uvarint(bytes.length + 1)
  writer.bytes(bytes)
}

/** Asks a broker for batches. */
export function fetchRecords(asked: Encodable<typeof fetchRequest>): RawRequest<FetchAnswer> {
  return {
    key: FETCH_KEY, version: FETCH_VERSION, body: [fetchRequest.encode(FETCH_VERSION, asked)],
    read: (bytes) => fetchResponse.at(FETCH_VERSION).decode(readerOf(bytes, 'the answer to a fetch')),
  }
}

function readerOf(bytes: Buffer, what: string): ByteReader {
  return new ByteReader(bytes, 0, bytes.length, 'LOG_PROTOCOL_ERROR', what)
}
