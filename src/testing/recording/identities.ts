/*
 * Names and numbers that a broker gives, and clients give back: member ids, topic ids, producer ids, sessions. Another broker gives others, so what
 * was recorded is translated: learned from its answers, put into the requests that follow.
 */
import { batchSize, PRODUCER_EPOCH_AT, PRODUCER_ID_AT, readBatchHeader, sealCrc } from '../../format/batch.ts'
import { type Decoding } from '../journal/entry.ts'
import { mapMessage } from './wire-message.ts'

/** By field: what kind of name it holds. */
const kinds: Readonly<Record<string, string>> = {
  memberId: 'member', leader: 'member', topicId: 'topic', producerId: 'producer', v3AndBelowProducerId: 'producer',
  sessionId: 'session', generationId: 'generation', memberEpoch: 'generation', generationIdOrMemberEpoch: 'generation',
}
/** Fields of requests with the id and the epoch of their producer. */
const producers = [
  { id: 'producerId', epoch: 'producerEpoch' }, { id: 'v3AndBelowProducerId', epoch: 'v3AndBelowProducerEpoch' },
]
/** Numbers of these kinds mean something on one connection only. */
const ofConnection = new Set(['session', 'generation'])
/** No name yet, or none any more. */
const nobody = new Set<unknown>(['', 0, -1, -1n])

type Name = string | number | bigint

/** What names of a recording are called by the broker that it is replayed at. */
export class Identities {
  readonly #names = new Map<string, Name>()
  /** What is added to the epochs of producers, by the id that was recorded. */
  readonly #epochs = new Map<string, number>()

  /** Whether a field holds such a name, or an epoch that goes with one. */
  static has(field: string): boolean {
    return Object.hasOwn(kinds, field) || field === 'producerEpoch'
  }

  /** Learns from two answers to one request. */
  learn(recorded: unknown, live: unknown, connection: number, field = ''): void {
    if (isName(recorded) && isName(live)) {
      if (Object.hasOwn(kinds, field) && !nobody.has(recorded)) this.#names.set(keyOf(field, recorded, connection), live)
    } else if (Array.isArray(recorded) && Array.isArray(live)) {
      recorded.forEach((one, index) => this.learn(one, live[index], connection, field))
    } else if (isObject(recorded) && isObject(live)) {
      this.#learnEpoch(recorded, live)
      for (const [name, one] of Object.entries(recorded)) this.learn(one, live[name], connection, name)
    }
  }

  /** What a recorded name is called now. */
  translated(field: string, recorded: Name, connection: number): Name {
    return this.#names.get(keyOf(field, recorded, connection)) ?? recorded
  }

  /** A recorded request as it is to be sent now. Epochs of leaders are left out: they say how old the metadata of the client was. */
  request(body: Decoding, connection: number): Decoding {
    return mapMessage(this.#withEpoch(body), (value, field) => {
      if (field === 'currentLeaderEpoch') return -1
      if (field === 'records' && value instanceof Uint8Array) return this.#batches(value, connection)
      return Object.hasOwn(kinds, field) && isName(value) ? this.translated(field, value, connection) : value
    }) as Decoding
  }

  /** A request with the epoch of its producer as it is now. */
  #withEpoch(body: Decoding): Decoding {
    for (const { id, epoch } of producers) {
      const [producerId, producerEpoch] = [body[id], body[epoch]]
      if (isName(producerId) && typeof producerEpoch === 'number') return { ...body, [epoch]: this.#epochOf(producerId, producerEpoch) }
    }
    return body
  }

  #learnEpoch(recorded: Decoding, live: Decoding): void {
    const { producerId, producerEpoch } = recorded
    if (!isName(producerId) || typeof producerEpoch !== 'number' || producerEpoch < 0) return
    this.#epochs.set(String(producerId), Number(live['producerEpoch']) - producerEpoch)
  }

  #epochOf(producerId: Name, epoch: number): number {
    return epoch < 0 ? epoch : epoch + (this.#epochs.get(String(producerId)) ?? 0)
  }

  /** Batches name their producer too. */
  #batches(records: Uint8Array, connection: number): Uint8Array {
    let copy: Buffer | undefined
    for (let at = 0; at + PRODUCER_EPOCH_AT + 2 <= records.length;) {
      const { producerId, producerEpoch } = readBatchHeader(records, at, records.length)
      const size = batchSize(records, at)
      const [id, epoch] = [this.translated('producerId', producerId, connection), this.#epochOf(producerId, producerEpoch)]
      if (producerId >= 0n && (id !== producerId || epoch !== producerEpoch)) {
        copy ??= Buffer.from(records)
        copy.writeBigInt64BE(BigInt(id), at + PRODUCER_ID_AT)
        copy.writeInt16BE(epoch, at + PRODUCER_EPOCH_AT)
        sealCrc(copy, at, size)
      }
      at += size
    }
    return copy ?? records
  }
}

function keyOf(field: string, name: Name, connection: number): string {
  const kind = kinds[field]!
  return ofConnection.has(kind) ? `${kind} ${name} ${connection}` : `${kind} ${name}`
}

function isName(value: unknown): value is Name {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'bigint'
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !(value instanceof Uint8Array)
}
