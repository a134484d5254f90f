/*
 * Where the topics of a log came from, as the ledgers of the mirrors that bring them tell: by which a mirror knows records that it would bring
 * back to where they are from, to go round for ever.
 */
import { LogError } from '../../base/errors.ts'
import { json, string } from '../../topics/codecs.ts'
import { type PortableLog, type PortableTopic } from '../../topics/contract.ts'
import { defineTopic } from '../../topics/define-topic.ts'
import { type LedgerEntry, originOf } from './ledger.ts'
import { endsOf, LEDGER_PREFIX } from './side.ts'

/** Ids of the logs that the records of a topic have come through, by topic. */
export type OriginsByTopic = ReadonlyMap<string, readonly string[]>

/** What was read of one ledger. */
interface Read {
  readonly topic: PortableTopic<string, LedgerEntry>
  readonly origins: Map<string, readonly string[]>
  /** Offset of the next entry to read. */
  next: number
}

/** The origins of the topics of one log. */
export class Origins {
  readonly #log: PortableLog
  readonly #ledgers = new Map<string, Read>()

  constructor(log: PortableLog) {
    this.#log = log
  }

  /** What the ledgers say now; of each only what is new is read. */
  async look(): Promise<OriginsByTopic> {
    const names = (await this.#log.topics()).map(({ name }) => name).filter((name) => name.startsWith(LEDGER_PREFIX))
    for (const name of [...this.#ledgers.keys()]) if (!names.includes(name)) this.#ledgers.delete(name)
    const all = new Map<string, readonly string[]>()
    for (const name of names) {
      for (const [topic, ids] of await this.#readOn(name)) all.set(topic, [...(all.get(topic) ?? []), ...ids])
    }
    return all
  }

  async #readOn(name: string): Promise<OriginsByTopic> {
    let read = this.#ledgers.get(name)
    const topic = read?.topic ?? await this.#log.topic(defineTopic(name, { key: string, value: json<LedgerEntry>() }), { create: false })
    const { start, end } = (await endsOf(topic)).get(0)!
    // Made anew when it ends before the place that it was read to.
    if (read === undefined || end < read.next) this.#ledgers.set(name, (read = { topic, origins: new Map(), next: 0 }))
    if (end === read.next) return read.origins
    const consumer = topic.consumer({ from: new Map([[0, Math.max(start, read.next)]]), until: 'end' })
    try {
      for await (const record of consumer) {
        const { key } = record
        const of = key === null ? undefined : originOf(key)
        if (of !== undefined) read.origins.set(of, record.value?.from ?? [])
      }
    } finally {
      await consumer.close()
    }
    read.next = end
    return read.origins
  }
}

/**
 * Throws when the records of a topic have come from the target, or through it.
 *
 * @throws LogError `LOG_MIRROR_ITSELF`
 */
export function checkOrigin(topic: string, origins: OriginsByTopic, target: string | undefined): void {
  if (target === undefined || origins.get(topic)?.includes(target) !== true) return
  const message = `topic "${topic}" of the source is mirrored from the target, ${target}: mirrored back, its records would go round for ever`
  throw new LogError('LOG_MIRROR_ITSELF', message, { topic, id: target })
}
