/*
 * The producers that write the transactions of this process: a producer id and its epoch, lent to one transaction at a time. Each end of a
 * transaction raises the epoch, so what a late append might still bring is refused. They mean nothing to the next process, which takes others.
 */
import { type ProducerIds } from '../producer-ids.ts'

/** With this epoch a producer id is used up: one more is kept for the abort of its last transaction. */
const LAST_EPOCH = 0x7fff - 1

/** A producer of transactions. */
export interface ProducerSlot {
  readonly producerId: bigint
  /** Of the next transaction. */
  epoch: number
}

/** The producers of one folder. */
export class ProducerSlots {
  readonly #ids: ProducerIds
  readonly #free: ProducerSlot[] = []

  constructor(ids: ProducerIds) {
    this.#ids = ids
  }

  /** A producer that nobody uses; at once when there is one. */
  take(): ProducerSlot | Promise<ProducerSlot> {
    return this.#free.pop() ?? this.#ids.next().then((producerId) => ({ producerId, epoch: 0 }))
  }

  /** Gives a producer back, none of whose transactions is open any more. */
  give(slot: ProducerSlot): void {
    if (slot.epoch < LAST_EPOCH) this.#free.push(slot)
  }
}
