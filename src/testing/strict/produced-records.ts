/*
 * The records of a Produce request, decoded, for whoever wants to look at what clients send before it is stored.
 */
import { isLogError } from '../../base/errors.ts'
import { decodeBatch, type DecodedRecord } from '../../format/batch.ts'
import { type Exchange } from '../../kafka/exchange.ts'
import { topicName } from '../faults/places.ts'
import { rowsOf } from '../journal/entry.ts'

/** What a Produce request has for one partition. */
export interface ProducedPart {
  readonly topic: string
  readonly partition: number
  /** In the order of the request. Empty when the batch is damaged: the broker says so itself. */
  readonly records: readonly DecodedRecord[]
  /** Bytes of the batches. */
  readonly bytes: number
}

/** What a request has for each partition that it names. */
export function producedParts({ request, context: { cluster } }: Exchange): ProducedPart[] {
  return rowsOf(request['topicData']).flatMap((row) => {
    const topic = topicName(row, (id) => cluster.topicById(id)?.name)
    if (topic === undefined) return []
    return rowsOf(row['partitionData']).map(({ index, records }) => ({
      topic, partition: Number(index), records: records instanceof Uint8Array ? recordsOf(records) : [],
      bytes: records instanceof Uint8Array ? records.length : 0,
    }))
  })
}

function recordsOf(bytes: Uint8Array): DecodedRecord[] {
  try {
    const { header, records } = decodeBatch(bytes, 0, bytes.length)
    return header.control ? [] : records
  } catch (error) {
    if (isLogError(error)) return []
    throw error
  }
}
