/*
 * Records that a consumption puts aside, and the commit that says so, as one transaction of a cluster: what topics/consume/store-together.ts
 * asks of a transaction. It is begun once it is known which partition it commits for, and has that one's name: who has the partition next ends
 * with its first question what was left open of it.
 */
import { isLogError } from '../base/errors.ts'
import { groupError } from '../topics/groups/group-error.ts'
import { type CommitRequest } from '../topics/groups/group-messages.ts'
import { type Topic } from '../topics/topic.ts'
import { type AsideRecord } from '../topics/consume/hand-over.ts'
import { type Connected } from './connected.ts'
import { type PlaceName } from './ends.ts'
import { type ClusterTransaction } from './transaction.ts'

/** A transaction of a consumption. */
export class AsideTransaction {
  readonly #connected: Connected
  readonly #idOf: (place: PlaceName) => string
  readonly #timeoutMs: number
  readonly #sends: ((transaction: ClusterTransaction) => Promise<unknown>)[] = []
  #transaction: ClusterTransaction | undefined
  #request: CommitRequest | undefined

  constructor(connected: Connected, idOf: (place: PlaceName) => string, timeoutMs: number) {
    this.#connected = connected
    this.#idOf = idOf
    this.#timeoutMs = timeoutMs
  }

  /** A record that goes with the commit; what becomes of it the commit tells. */
  send({ parts }: Topic<Uint8Array, Uint8Array>, record: AsideRecord): void {
    const { core, codecs } = parts
    const target = { name: core.entry.name, partitionCount: core.logs.length, maxMessageBytes: core.config.maxMessageBytes, codecs }
    this.#sends.push((transaction) => transaction.sendTo(target, record))
  }

  async commitRequest(request: CommitRequest): Promise<void> {
    const [place] = request.offsets
    this.#request = request
    const transactionalId = place === undefined ? undefined : this.#idOf(place)
    await this.#owned(async () => {
      this.#transaction = await this.#connected.begin({ transactionalId, timeoutMs: this.#timeoutMs })
      for (const send of this.#sends) void send(this.#transaction)
      await this.#transaction.commitRequest(request)
    })
  }

  async commit(): Promise<void> {
    await this.#owned(() => this.#transaction!.commit())
  }

  async abort(): Promise<void> {
    await this.#transaction?.abort()
  }

  /** Whoever has taken the name over has the partition. */
  async #owned(work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      const { groupId, offsets: [place] } = this.#request!
      if (place === undefined || !isFenced(error)) throw error
      throw groupError('ILLEGAL_GENERATION', groupId, place)
    }
  }
}

function isFenced(error: unknown): boolean {
  return isLogError(error, 'LOG_PRODUCER_FENCED') || (isLogError(error, 'LOG_TXN_ABORTED') && isLogError(error.cause, 'LOG_PRODUCER_FENCED'))
}
