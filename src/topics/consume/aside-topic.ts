/*
 * A topic that takes records of another one: its dead letters, or those that wait to be tried again. It is made when it is first needed, with
 * the codecs and the partitions of the source, so that everything that reads topics reads it. Records go over as bytes: what cannot be
 * decoded goes like all else.
 */
import { LogError } from '../../base/errors.ts'
import { encodedCodecs } from '../held-record.ts'
import { isInternalTopic } from '../internal-topics.ts'
import { type LogCore } from '../log-core.ts'
import { type TopicSettings } from '../settings.ts'
import { type TopicCore, type TopicParts } from '../topic-core.ts'

/** Room for what is said of a record beside its own headers. */
const ROOM_FOR_HEADERS = 64 * 1024

const MOST_MESSAGE_BYTES = 0x7fff_ffff

/** A topic beside another. */
export class AsideTopic {
  readonly name: string
  readonly #log: LogCore
  readonly #source: TopicParts<never, never>
  #core: TopicCore | undefined

  /** @throws LogError `LOG_DEAD_LETTER_TOPIC` for a topic of the log's own */
  constructor(log: LogCore, source: TopicParts<never, never>, name: string) {
    this.#log = log
    this.#source = source
    this.name = name
    if (!isInternalTopic(name)) return
    const { name: topic } = source.core.entry
    throw new LogError('LOG_DEAD_LETTER_TOPIC', `topic "${name}" is the log's own: it takes no records of "${topic}"`, { topic, deadLetter: name })
  }

  /** The topic, if it is there. */
  async find(): Promise<TopicCore | undefined> {
    if (this.#core !== undefined) return this.#core
    this.#log.reload()
    return this.#known === undefined ? undefined : this.#open(false)
  }

  /** The topic, made when it is not there, with at least as many partitions as the source when `alike`. */
  async get(alike = false): Promise<TopicCore> {
    const { length } = this.#source.core.logs
    if (this.#core !== undefined && (!alike || this.#core.logs.length >= length)) return this.#core
    return this.#open(true, alike)
  }

  /** How it is written to. */
  async parts(): Promise<TopicParts<Uint8Array, Uint8Array>> {
    return { ...this.#source, core: await this.get(), codecs: encodedCodecs }
  }

  get #known(): { readonly partitions: number } | undefined {
    return this.#log.topics.find(({ name }) => name === this.name)
  }

  async #open(create: boolean, alike = false): Promise<TopicCore> {
    const { entry, config, logs } = this.#source.core
    const known = this.#known
    const partitions = known === undefined || (alike && known.partitions < logs.length) ? logs.length : undefined
    const settings = known === undefined ? settingsFor(config.maxMessageBytes) : {}
    return (this.#core = await this.#log.openTopic({
      name: this.name, create, partitions, key: undefined, value: undefined, settings, newKey: entry.key ?? 'bytes', newValue: entry.value ?? 'bytes',
    }))
  }
}

/** Whatever the log's own settings are: nothing is deleted here that nobody asked to delete, nothing is compacted, and times stay. */
function settingsFor(maxMessageBytes: number): TopicSettings {
  return {
    maxMessageBytes: Math.min(maxMessageBytes + ROOM_FOR_HEADERS, MOST_MESSAGE_BYTES), cleanupPolicy: 'delete', retentionMs: Infinity,
    retentionBytes: Infinity, messageTimestampType: 'CreateTime',
  }
}
