/*
 * How far each compacted partition of a log was looked at: `cleaner-offset-checkpoint`, as Kafka keeps it, in the folder of the log. It is
 * written after each cleaning. Only a hint: without it, or when it is damaged, a cleaning looks at everything again.
 */
import { isLogError } from '../base/errors.ts'
import { type FileSystem } from '../files/file-system.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { encodePartitionOffsets, type PartitionOffset, parsePartitionOffsets, partitionOffsetFiles } from '../format/checkpoint-file.ts'

const MAX_BYTES = 64 * 1024 * 1024

/** The first offset of each partition that no cleaning has looked at. */
export class CleanerCheckpoint {
  readonly #files: FileSystem
  readonly #path: string
  #entries: Map<string, PartitionOffset> | undefined
  #writing: Promise<void> = Promise.resolve()

  /** @param folder  of the log */
  constructor(files: FileSystem, folder: string) {
    this.#files = files
    this.#path = files.join(folder, partitionOffsetFiles.cleaner)
  }

  /** Records of a partition below this offset were looked at; undefined when that is not known. */
  get(topic: string, partition: number): number | undefined {
    return this.#read().get(`${topic}-${partition}`)?.offset
  }

  /** Notes how far a partition was looked at. Durable when it resolves. */
  set(topic: string, partition: number, offset: number): Promise<void> {
    this.#read().set(`${topic}-${partition}`, { topic, partition, offset })
    return this.#write()
  }

  /** Forgets a topic that is deleted: another one of its name begins anew. */
  async forget(topic: string): Promise<void> {
    const entries = this.#read()
    const gone = [...entries].filter(([, entry]) => entry.topic === topic)
    for (const [name] of gone) entries.delete(name)
    if (gone.length > 0) await this.#write()
  }

  #read(): Map<string, PartitionOffset> {
    if (this.#entries !== undefined) return this.#entries
    let found: PartitionOffset[] = []
    try {
      const bytes = readFileSync(this.#files, this.#path, MAX_BYTES)
      if (bytes !== undefined) found = parsePartitionOffsets(bytes, this.#path)
    } catch (error) {
      if (!isLogError(error, 'LOG_FILE_CORRUPT')) throw error
    }
    return (this.#entries = new Map(found.map((entry) => [`${entry.topic}-${entry.partition}`, entry])))
  }

  #write(): Promise<void> {
    const write = (): Promise<void> => writeFileAtomically(this.#files, this.#path, encodePartitionOffsets([...this.#read().values()]))
    const written = this.#writing.then(write, write)
    this.#writing = written.catch(() => {})
    return written
  }
}
