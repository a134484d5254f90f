/*
 * What a mirror does before it reads topics: it says on the target where they are from, and looks whether another mirror says of the source that
 * they are from the target. It says so first and looks then: of two that begin at one moment in opposite directions one sees the other at least.
 */
import { isDeepStrictEqual } from '../../base/node-util.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { type Ledger, type LedgerRecord } from './ledger.ts'
import { type MirroredTopic } from './mirrored-topic.ts'
import { checkOrigin, Origins } from './origins.ts'
import { identityOf } from './side.ts'

/** The topics that one mirror brings. */
export class Claims {
  readonly #source: string | undefined
  readonly #target: string | undefined
  readonly #origins: Origins

  constructor(source: PortableLog, target: PortableLog) {
    this.#source = identityOf(source)
    this.#target = identityOf(target)
    this.#origins = new Origins(source)
  }

  /**
   * Throws when a topic has come from the target; changes nothing.
   *
   * @throws LogError `LOG_MIRROR_ITSELF`, and those of the source
   */
  async check(topics: readonly { readonly name: string }[]): Promise<void> {
    const origins = await this.#origins.look()
    for (const { name } of topics) checkOrigin(name, origins, this.#target)
  }

  /**
   * Says where topics are from and, of those that are new, where their mirror begins. Nothing is stored when the ledger says so already.
   *
   * @throws LogError `LOG_MIRROR_ITSELF`, and those of both logs
   */
  async claim(topics: readonly MirroredTopic[], ledger: Ledger): Promise<void> {
    const origins = await this.#origins.look()
    for (const { name } of topics) checkOrigin(name, origins, this.#target)
    const entries: LedgerRecord[] = []
    const claimed: string[] = []
    for (const topic of topics) {
      const from = [...new Set([...(this.#source === undefined ? [] : [this.#source]), ...(origins.get(topic.name) ?? [])])].sort()
      const known = ledger.origin(topic.name)
      if (known === undefined) {
        claimed.push(topic.name)
        for (const { partition, position } of await topic.beginnings()) entries.push(ledger.passedEntry(topic.name, partition, position))
      }
      if (!isDeepStrictEqual(known, from)) entries.push(ledger.originEntry(topic.name, from))
    }
    if (entries.length === 0) return
    await ledger.write(entries)
    try {
      await this.check(topics)
    } catch (error) {
      // What was claimed in vain is in nobody's way.
      if (claimed.length > 0) await ledger.write(claimed.map((name) => ledger.originEntry(name, undefined))).catch(() => {})
      throw error
    }
  }
}
