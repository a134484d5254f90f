/*
 * One batch on its way to a broker: its bytes, whose records it holds, and how it ended.
 */
import { setBigInt64, setInt16, setInt32 } from '../base/bytes.ts'
import { crc32c } from '../base/crc32c.ts'
import { ATTRIBUTES_AT, BASE_SEQUENCE_AT, CRC_AT, PRODUCER_EPOCH_AT, PRODUCER_ID_AT } from '../format/batch.ts'
import { type TailBatch } from '../log/tail.ts'
import { type WindowCache } from '../log/windows.ts'
import { type ProducerIdentity } from './producer-identity.ts'

/** Where a batch was stored. */
export interface StoredBatch {
  /** −1 when it was there already, and the broker does not tell any more where. */
  readonly baseOffset: number
  /** Ms since 1970 that the broker gave all its records; undefined when they keep their own. */
  readonly appendTime: number | undefined
}

/** A batch. */
export class SendBatch {
  /** Resolves when it is stored, with as many copies as count. */
  readonly stored: Promise<StoredBatch>
  /** When it was begun, on the monotonic clock. */
  readonly since: number
  /** It was on its way to a broker that did not answer, or could not say: it may be stored. */
  unknown = false
  attempts = 0
  sealed: TailBatch | undefined
  identity: ProducerIdentity | undefined
  sequence = -1
  resolve!: (stored: StoredBatch) => void
  reject!: (error: unknown) => void

  constructor(since: number) {
    this.since = since
    this.stored = new Promise((resolve, reject) => {
      this.resolve = resolve
      this.reject = reject
    })
    // Whoever waits for one of its records hears of it.
    this.stored.catch(() => {})
  }

  /** Its memory, once sealed, is used by nobody else until it is `released`. */
  take(sealed: TailBatch): void {
    this.sealed = sealed
    sealed.window.users++
  }

  get recordCount(): number {
    return this.sealed!.recordCount
  }

  get size(): number {
    return this.sealed!.size
  }

  get bytes(): Buffer {
    const { buffer, at, size } = this.sealed!
    return buffer.subarray(at, at + size)
  }

  /** Writes over whose batch it is. */
  stamp(identity: ProducerIdentity, sequence: number): void {
    const { buffer, at, size } = this.sealed!
    this.identity = identity
    this.sequence = sequence
    setBigInt64(buffer, at + PRODUCER_ID_AT, identity.producerId)
    setInt16(buffer, at + PRODUCER_EPOCH_AT, identity.producerEpoch)
    setInt32(buffer, at + BASE_SEQUENCE_AT, sequence)
    setInt32(buffer, at + CRC_AT, crc32c(buffer, at + ATTRIBUTES_AT, at + size))
  }

  /** Nobody needs its memory any more. */
  released(windows: WindowCache): void {
    windows.leaveChunk(this.sealed!.window)
  }
}
