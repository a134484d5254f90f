/*
 * Share groups, as a folder of Kafka's holds them: without members, and read only. They are told of, and can be deleted; who joins one by its
 * name is refused.
 */
import { type OffsetsLogRecord } from './offsets-log.ts'
import { type ShareGroupRecord } from './stored-groups.ts'

interface ShareGroup {
  epoch: number
  /** The keys of its records, as binary strings. */
  readonly keys: Set<string>
}

/** The share groups of one open folder. */
export class ShareGroups {
  readonly #groups = new Map<string, ShareGroup>()

  has(groupId: string): boolean {
    return this.#groups.has(groupId)
  }

  names(): Iterable<string> {
    return this.#groups.keys()
  }

  /** The epoch of a group; undefined when there is none of this name. */
  epochOf(groupId: string): number | undefined {
    return this.#groups.get(groupId)?.epoch
  }

  /**
   * Takes what a record says, as it is loaded.
   *
   * @param key  of the record; copied
   */
  replay({ kind, key: { groupId }, value }: ShareGroupRecord, key: Buffer): void {
    let group = this.#groups.get(groupId)
    const binary = key.toString('latin1')
    if (value === null) {
      group?.keys.delete(binary)
      if (group?.keys.size === 0) this.#groups.delete(groupId)
      return
    }
    if (group === undefined) this.#groups.set(groupId, (group = { epoch: 0, keys: new Set() }))
    group.keys.add(binary)
    if (kind === 'shareGroupMetadata') group.epoch = value.epoch
  }

  /** The records that take a group away; none where there is no group. */
  tombstones(groupId: string): OffsetsLogRecord[] {
    return [...(this.#groups.get(groupId)?.keys ?? [])].map((key) => ({ key: Buffer.from(key, 'latin1'), value: null }))
  }

  /** It was taken away. */
  forget(groupId: string): void {
    this.#groups.delete(groupId)
  }
}
