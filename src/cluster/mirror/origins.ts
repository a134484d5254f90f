/*
 * Where the topics of a log came from, as the ledgers of the mirrors that bring them tell: by which a mirror knows records that it would bring
 * back to where they are from, to go round for ever.
 */
import { LogError } from '../../base/errors.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { type LedgerEntry, ORIGIN } from './ledger.ts'
import { endsOf, LEDGER_PREFIX, plainTopic, type PlainTopic } from './side.ts'

/** Ids of the logs that the records of a topic have come through, by topic. */
export type OriginsByTopic = ReadonlyMap<string, readonly string[]>

/** What was read of one ledger. */
interface Read {
  readonly topic: PlainTopic
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
    const topic = read?.topic ?? await plainTopic(this.#log, name)
    const { start, end } = (await endsOf(topic)).get(0)!
    // Made anew when it ends before the place that it was read to.
    if (read === undefined || end < read.next) this.#ledgers.set(name, (read = { topic, origins: new Map(), next: 0 }))
    if (end === read.next) return read.origins
    const consumer = topic.consumer({ partitions: [0], from: new Map([[0, Math.max(start, read.next)]]), until: 'end' })
    try {
      for await (const { key, value } of consumer) {
        const told = originIn(key, value)
        if (told !== undefined) read.origins.set(told.topic, told.from)
      }
    } finally {
      await consumer.close()
    }
    read.next = end
    return read.origins
  }
}

/** What an entry of a ledger tells of a topic; undefined for other entries, and for records of a topic that is only called like a ledger. */
function originIn(key: Uint8Array | null, value: Uint8Array | null): { readonly topic: string; readonly from: readonly string[] } | undefined {
  const [kind, topic] = listIn(jsonIn(key))
  if (kind !== ORIGIN || typeof topic !== 'string') return undefined
  return { topic, from: listIn((jsonIn(value) as Partial<LedgerEntry> | null | undefined)?.from) as readonly string[] }
}

function jsonIn(bytes: Uint8Array | null): unknown {
  try {
    return bytes === null ? undefined : JSON.parse(Buffer.from(bytes).toString())
  } catch {
    return undefined
  }
}

function listIn(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
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
