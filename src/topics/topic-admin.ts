/*
 * Changes topics that are there: deletes them, and alters their settings while they are open. The catalog decides: it is stored durably
 * before anything follows, and what follows is done again at the next open when a crash comes in between.
 */
import { settleAtMost } from '../base/at-most.ts'
import { LogError } from '../base/errors.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem } from '../files/file-system.ts'
import { type TopicEntry } from './catalog.ts'
import { MAX_PARTITIONS } from './define-topic.ts'
import { checkEventTopic } from './event-topics.ts'
import { internalTopicError, isInternalTopic } from './internal-topics.ts'
import { checkedSettings, resolveSettings, settingNames, type TopicSettings } from './settings.ts'
import { presentLogs, type TopicCore } from './topic-core.ts'
import { removeTopicFolders } from './topic-deletion.ts'

const CLOSED_AT_A_TIME = 32

/** What changes of topics need of the log that holds them. */
export interface TopicRoom {
  readonly files: FileSystem
  readonly folder: string
  readonly random: Random
  readonly readOnly: boolean
  /** Settings of topics that do not have their own. */
  readonly settings: TopicSettings
  /** Runs `work` while nothing else changes the catalog. */
  inTurn<T>(work: () => Promise<T>): Promise<T>
  /** What the catalog says of a topic, and of one that is on its way out. */
  find(name: string): TopicEntry | undefined
  /** Stores an entry of the catalog, durably, or takes the one with that name out. */
  store(entry: TopicEntry): Promise<void>
  drop(name: string): Promise<void>
  /** Opens a topic with so many partitions, and makes those that are missing. */
  grow(name: string, partitions: number): Promise<unknown>
  /** The topics that are open, by name. */
  readonly open: Map<string, TopicCore>
}

/** New settings of a topic: null takes one back to what the log says, or to its default. */
export type TopicChanges = { readonly [Name in keyof TopicSettings]?: TopicSettings[Name] | null }

/** Changes topics of one log. */
export class TopicAdmin {
  readonly #room: TopicRoom
  #growing: Promise<unknown> = Promise.resolve()

  constructor(room: TopicRoom) {
    this.#room = room
  }

  /**
   * Deletes a topic with all its records. Whoever holds it open gets LOG_NOT_FOUND from then on.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`
   */
  async delete(name: string): Promise<void> {
    const { files, folder, random, open } = this.#room
    await this.#change(name, async (entry) => {
      if (entry.deleting !== true) await this.#room.store({ ...entry, deleting: true })
      const topic = open.get(name)
      open.delete(name)
      const reason = new LogError('LOG_NOT_FOUND', `topic "${name}" was deleted`, { path: folder, topic: name })
      // What a partition cannot store any more need not be stored any more.
      if (topic !== undefined) await settleAtMost(CLOSED_AT_A_TIME, presentLogs(topic), (log) => log.close(reason))
      await removeTopicFolders(files, folder, random, entry)
      await this.#room.drop(name)
    })
  }

  /**
   * Changes settings of a topic; they are stored, and hold for what is appended from then on.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`; TypeError and RangeError for what no setting can be
   */
  async alter(name: string, changes: TopicChanges): Promise<void> {
    const given = checkedSettings(withoutNulls(changes), `topic "${name}"`)
    await this.#change(name, async (entry) => {
      checkEventTopic(entry, changes, undefined)
      const kept = settingNames.filter((setting) => entry.settings[setting] !== undefined && changes[setting] !== null)
      const settings = { ...Object.fromEntries(kept.map((setting) => [setting, entry.settings[setting]])), ...given }
      await this.#room.store({ ...entry, settings })
      const topic = this.#room.open.get(name)
      if (topic !== undefined) await this.#apply(topic, { ...entry, settings })
    })
  }

  /**
   * Adds partitions to a topic, behind those that there are.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_TOPIC_INTERNAL`, `LOG_READ_ONLY`; RangeError for more than a topic may have
   */
  addPartitions(name: string, count: number): Promise<void> {
    const grown = this.#growing.then(async () => {
      const entry = this.#check(name)
      const { partitions } = entry
      checkEventTopic(entry, {}, partitions + count)
      if (partitions + count > MAX_PARTITIONS) throw new RangeError(`a topic has at most ${MAX_PARTITIONS} partitions, not ${partitions + count}`)
      await this.#room.grow(name, partitions + count)
    })
    this.#growing = grown.catch(() => {})
    return grown
  }

  /** Lets an open topic take the settings that the catalog has by now. */
  async settle(topic: TopicCore): Promise<void> {
    if (!this.#room.readOnly) await this.#apply(topic, topic.entry)
  }

  async #apply(topic: TopicCore, entry: TopicEntry): Promise<void> {
    const config = resolveSettings(this.#room.settings, entry.settings)
    const same = settingNames.every((name) => config[name] === topic.config[name])
    topic.entry = entry
    if (same) return
    Object.assign(topic.config, config)
    await settleAtMost(CLOSED_AT_A_TIME, presentLogs(topic), (log) => log.reconfigure())
  }

  async #change(name: string, work: (entry: TopicEntry) => Promise<void>): Promise<void> {
    await this.#room.inTurn(() => work(this.#check(name)))
  }

  #check(name: string): TopicEntry {
    const { readOnly, folder } = this.#room
    if (readOnly) throw new LogError('LOG_READ_ONLY', `the log ${folder} was opened read-only`, { folder })
    if (isInternalTopic(name)) throw internalTopicError(name)
    const entry = this.#room.find(name)
    if (entry === undefined) throw new LogError('LOG_NOT_FOUND', `there is no topic "${name}" in ${folder}`, { path: folder, topic: name })
    return entry
  }
}

function withoutNulls(changes: TopicChanges): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(changes).filter(([, value]) => value !== null))
}
