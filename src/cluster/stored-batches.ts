/*
 * What one producer has stored in a partition, as the headers of its batches tell: read up to the marker that a successor has put behind it.
 */
import { getBigInt64, getInt16, getInt32 } from '../base/bytes.ts'
import { LogError } from '../base/errors.ts'
import { pause } from '../base/pause.ts'
import { BASE_SEQUENCE_AT, batchDamage, batchSize, CONTROL_BIT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, RECORDS_AT } from '../format/batch.ts'
import { BatchPlace } from '../log/batch-place.ts'
import { type Call } from './call.ts'
import { type Cluster } from './cluster.ts'
import { endsOf, type PlaceName } from './ends.ts'
import { clusterError, nameOf } from './errors.ts'
import { type FetchedPartition, fetchRecords } from './messages.ts'
import { type ProducerIdentity } from './producer-identity.ts'
import { type Ends } from './remote-partition.ts'

/** Bytes of one answer. */
const FETCH_BYTES = 1024 * 1024
/** Ms between two looks for a marker that is not visible yet: all copies have it, and a new leader learns that a little later. */
const LOOK_MS = 5

/** A batch of records, by its header. */
export interface StoredBatch {
  readonly baseSequence: number
  readonly baseOffset: number
  readonly lastOffset: number
}

/** Whose batches are looked for, and from which offset on. */
export interface StoredFrom extends PlaceName {
  readonly from: number
  /** Nobody's by default. */
  readonly of?: ProducerIdentity
}

/** What stands in a partition below a marker. */
export interface StoredUpTo {
  /** Those of the producer, in their order. */
  readonly batches: readonly StoredBatch[]
  /** Whether some offsets from `offset` on, below the marker, are of no batch any more: deleted, or compacted away. */
  readonly isMissingFrom: (offset: number) => boolean
  /** Offset of the marker. */
  readonly marker: number
}

/**
 * Reads from an offset, or from the oldest one that is kept, to the marker of a producer. It takes as long as that is to read: others may have
 * stored much.
 *
 * @throws LogError `LOG_CLUSTER_UNAVAILABLE` when the marker does not appear at the end within `ms`
 */
export async function storedUpTo(cluster: Cluster, ms: number, place: StoredFrom, by: ProducerIdentity): Promise<StoredUpTo> {
  const batches: StoredBatch[] = []
  const holes: number[] = []
  let next = place.from
  let call = cluster.call().part(ms)
  for (;;) {
    const { records, start } = await fetchFrom(cluster, call, place, next)
    if (start !== undefined) {
      // Above the end it is another topic of that name.
      if (start > next) holes.push(start - 1)
      next = start
      continue
    }
    for (const { batch, producer, isControl } of headersIn(records, next, place)) {
      if (batch.baseOffset > next) holes.push(batch.baseOffset - 1)
      next = batch.lastOffset + 1
      if (!isControl && isSame(producer, place.of)) batches.push(batch)
      if (isControl && isSame(producer, by)) {
        return { batches, marker: batch.baseOffset, isMissingFrom: (offset) => holes.some((hole) => hole >= offset) }
      }
    }
    if (records.length > 0) {
      call = cluster.call().part(ms)
      continue
    }
    if (call.leftMs <= LOOK_MS) {
      const { topic, partition } = place
      const message = `no marker of producer ${by.producerId} came to ${topic}-${partition} in time`
      throw new LogError('LOG_CLUSTER_UNAVAILABLE', message, { topic, partition })
    }
    await pause(cluster.options.clock, LOOK_MS)
  }
}

function isSame({ producerId, producerEpoch }: ProducerIdentity, other: ProducerIdentity | undefined): boolean {
  return producerId === other?.producerId && producerEpoch === other.producerEpoch
}

/** The batches at an offset; where the partition begins when it is not there. */
async function fetchFrom(
  cluster: Cluster, call: Call, { topic, partition }: PlaceName, fetchOffset: number,
): Promise<{ readonly records: Buffer; readonly start: number | undefined }> {
  return cluster.retrying(call, async () => {
    const broker = await cluster.leaderOf(call, topic, partition)
    const partitions = [{ partition, fetchOffset, partitionMaxBytes: FETCH_BYTES }]
    try {
      const answer = await cluster.main.askRaw(call, broker, fetchRecords({
        maxWaitMs: 0, minBytes: 0, maxBytes: FETCH_BYTES, topics: [{ topic, partitions }], isolationLevel: 0,
      }))
      const found: FetchedPartition | undefined = answer.responses[0]?.partitions[0]
      const name = nameOf(answer.errorCode || (found?.errorCode ?? 0))
      if (name === 'OFFSET_OUT_OF_RANGE') {
        const [{ startOffset: start }] = (await endsOf(cluster, call, [{ topic, partition }])) as [Ends]
        return { records: Buffer.alloc(0), start }
      }
      if (name !== 'NONE') throw clusterError(name, `reading ${topic}-${partition}`, { topic, partition, offset: fetchOffset })
      return { records: found?.records ?? Buffer.alloc(0), start: undefined }
    } catch (error) {
      await cluster.refresh(call, [topic]).catch(() => {})
      throw error
    }
  })
}

/** Headers of the whole batches of an answer that end at or behind an offset. */
function* headersIn(
  records: Buffer, from: number, { topic, partition }: PlaceName,
): Generator<{ readonly batch: StoredBatch; readonly producer: ProducerIdentity; readonly isControl: boolean }> {
  for (let at = 0; at + RECORDS_AT <= records.length && at + batchSize(records, at) <= records.length;) {
    const damage = batchDamage(records, at, records.length)
    if (damage !== undefined) {
      throw new LogError('LOG_BATCH_CORRUPT', `an answer for ${topic}-${partition} is damaged: ${damage}`, { topic, partition })
    }
    const { baseOffset, lastOffset, attributes, size } = new BatchPlace(records, at)
    const producer = { producerId: getBigInt64(records, at + PRODUCER_ID_AT), producerEpoch: getInt16(records, at + PRODUCER_EPOCH_AT) }
    const batch = { baseOffset, lastOffset, baseSequence: getInt32(records, at + BASE_SEQUENCE_AT) }
    at += size
    if (lastOffset >= from) yield { batch, producer, isControl: (attributes & CONTROL_BIT) !== 0 }
  }
}
