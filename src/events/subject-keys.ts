/*
 * The keys of crypto-shredding: one for each subject, such as a person, made once and destroyed when the subject is to be forgotten. Here are
 * a store in a compacted topic and one in memory; any other needs `get` only. Keys must not lie in the backups of what they encrypt: a log of
 * their own is the place for them.
 */
import { LogError } from '../base/errors.ts'
import { describe } from '../base/options.ts'
import { type CommitLog } from '../topics/commit-log.ts'
import { bytes, string } from '../topics/codecs.ts'
import { defineTopic } from '../topics/define-topic.ts'
import { type LogCore } from '../topics/log-core.ts'
import { type Topic } from '../topics/topic.ts'
import { logOf } from '../topics/topic-core.ts'
import { readInTurns } from './read-in-turns.ts'

/** A key of a subject. */
export interface SubjectKey {
  /** Tells keys of a subject apart, should it get another one after it was forgotten. 16 hex digits. */
  readonly id: string
  /** 32 bytes, for AES-256. */
  readonly key: Uint8Array
}

/** Where keys are found. Must answer at once: what keeps keys elsewhere loads them before. */
export interface KeyStore {
  /** Undefined for a subject that has none, or none any more. */
  get(subject: string): SubjectKey | undefined
}

/** Keys that can be made and destroyed. */
export interface SubjectKeys extends KeyStore {
  /** Gives the subject a key, unless it has one. The key is durable when it resolves: only then may something be encrypted with it. */
  create(subject: string): Promise<SubjectKey>
  /** Destroys the key of a subject: what was encrypted with it reads as forgotten from now on. False when it had none. */
  forget(subject: string): Promise<boolean>
  /** Everyone who has a key. */
  subjects(): string[]
  close(): Promise<void>
}

const ID_SIZE = 8
const KEY_SIZE = 32

/** Keys in memory, for tests. */
export function memoryKeys(): SubjectKeys {
  const keys = new Map<string, SubjectKey>()
  return {
    get: (subject) => keys.get(subject),
    subjects: () => [...keys.keys()],
    create: async (subject) => {
      checkSubject(subject)
      const key = keys.get(subject) ?? freshKey()
      keys.set(subject, key)
      return key
    },
    forget: async (subject) => keys.delete(subject),
    close: async () => {},
  }
}

/**
 * Keys in a compacted topic of a log, which should be another log than that of the events. All of them are in memory while it is open.
 *
 * Who is forgotten is so when `forget` resolves: the key's last record is a tombstone, and its bytes are compacted away. When it does not
 * resolve, as in a crash, `forget` is called again. All who open the keys of one topic in a process share them.
 */
export async function logKeys(log: CommitLog, topic = 'subject-keys'): Promise<SubjectKeys> {
  const opened = await log.topic(defineTopic(topic, {
    partitions: 1, key: string, value: bytes, cleanupPolicy: 'compact', deleteRetentionMs: 0, durability: 'sync',
  }))
  const topics = shared.get(log.core) ?? new Map<string, Promise<KeyTable>>()
  shared.set(log.core, topics)
  const opening = topics.get(topic) ?? KeyTable.open(opened, log.core)
  topics.set(topic, opening)
  try {
    return new LogKeys(opened, await opening)
  } catch (error) {
    topics.delete(topic)
    throw error
  }
}

/** The keys of each topic: were there two tables of one, each would make keys that the other knows nothing of. */
const shared = new WeakMap<LogCore, Map<string, Promise<KeyTable>>>()

class KeyTable {
  readonly keys = new Map<string, SubjectKey>()
  changes: Promise<unknown> = Promise.resolve()
  /** There may be bytes of keys that were destroyed. */
  unclean = false

  static async open({ name }: Topic<string, Uint8Array>, log: LogCore): Promise<KeyTable> {
    const table = new KeyTable()
    const core = await log.openTopic({
      name, create: false, partitions: undefined, key: undefined, value: undefined, settings: {}, newKey: undefined, newValue: undefined,
    })
    await readInTurns(logOf(core, 0), { key: string, value: bytes }, log.env.clock, {
      begin: () => {
        table.keys.clear()
        table.unclean = false
      },
      take: ({ key, value }) => {
        if (key === null) return
        if (value !== null) table.keys.set(key, keyOf(value, key))
        else {
          table.keys.delete(key)
          table.unclean = true
        }
      },
    })
    return table
  }
}

class LogKeys implements SubjectKeys {
  readonly #topic: Topic<string, Uint8Array>
  readonly #table: KeyTable

  constructor(topic: Topic<string, Uint8Array>, table: KeyTable) {
    this.#topic = topic
    this.#table = table
  }

  get(subject: string): SubjectKey | undefined {
    return this.#table.keys.get(subject)
  }

  subjects(): string[] {
    return [...this.#table.keys.keys()]
  }

  create(subject: string): Promise<SubjectKey> {
    checkSubject(subject)
    return this.#inTurn(async () => {
      const { keys } = this.#table
      const known = keys.get(subject)
      if (known !== undefined) return known
      const fresh = freshKey()
      await this.#topic.send({ key: subject, value: Buffer.concat([Buffer.from(fresh.id, 'hex'), fresh.key]) })
      keys.set(subject, fresh)
      return fresh
    })
  }

  forget(subject: string): Promise<boolean> {
    checkSubject(subject)
    return this.#inTurn(async () => {
      const table = this.#table
      const had = table.keys.has(subject)
      if (had) {
        await this.#topic.send({ key: subject, value: null })
        table.keys.delete(subject)
        table.unclean = true
      }
      if (table.unclean) await this.#topic.compactNow()
      table.unclean = false
      return had
    })
  }

  async close(): Promise<void> {
    await this.#table.changes
    await this.#topic.close()
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#table.changes.then(work)
    this.#table.changes = done.catch(() => {})
    return done
  }
}

function freshKey(): SubjectKey {
  const { randomBytes } = process.getBuiltinModule('node:crypto')
  return { id: randomBytes(ID_SIZE).toString('hex'), key: randomBytes(KEY_SIZE) }
}

function keyOf(stored: Uint8Array, subject: string): SubjectKey {
  if (stored.length !== ID_SIZE + KEY_SIZE) {
    throw new LogError('LOG_DECODE_FAILED', `the key of subject ${JSON.stringify(subject)} has ${stored.length} bytes`, { subject })
  }
  return { id: Buffer.from(stored.subarray(0, ID_SIZE)).toString('hex'), key: stored.subarray(ID_SIZE) }
}

function checkSubject(subject: unknown): void {
  if (typeof subject !== 'string' || subject === '') throw new TypeError(`a subject is a name, not ${describe(subject)}`)
}
