/*
 * A member of a group of a cluster: the same loop and the same commits as in this process, which ends its connections with it.
 */
import { waiting } from '../topics/abort.ts'
import { type CommitOptions, GroupConsumer, type GroupSource } from '../topics/groups/group-consumer.ts'
import { type Committing } from '../topics/groups/commit-entries.ts'
import { type CommitRequest } from '../topics/groups/group-messages.ts'
import { type CheckedGroupOptions } from '../topics/groups/group-options.ts'
import { type ReaderCore } from './reader-core.ts'

/** Reads as a member of a group. */
export class ClusterGroupConsumer<K, V, P> extends GroupConsumer<K, V, P> {
  readonly #reader: ReaderCore

  constructor(source: GroupSource<K, V, P>, options: CheckedGroupOptions<P>, reader: ReaderCore) {
    super(source, options)
    this.#reader = reader
    reader.ended = () => super.close().catch(() => {})
  }

  override async commit(what?: Committing<P>, options?: CommitOptions): Promise<void> {
    const signal = options?.signal
    await waiting(signal && { signal }, 'commit', async () => {
      await this.#learn(signal)
      await super.commit(what, options)
    })
  }

  override async toCommit(what?: Committing<P>): Promise<CommitRequest> {
    await this.#learn()
    return super.toCommit(what)
  }

  /** Within a loop the ends are known by what is read. The signal that ended the loop does not keep what was read from being committed. */
  async #learn(signal?: AbortSignal): Promise<void> {
    if (this.assignment.length === 0) await this.#reader.learnEnds({ signal })
  }

  override async close(): Promise<void> {
    try {
      await super.close()
    } finally {
      await this.#reader.close()
    }
  }
}
