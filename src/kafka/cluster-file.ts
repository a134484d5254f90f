/*
 * What clients have set and the log has no other place for, kept durably in a file of the log's folder: configs that are only shown, quotas,
 * credentials, ACLs. Sections by name; whoever owns one says what it holds and checks it when it is read. Small things that change seldom:
 * the file is replaced as a whole. Spec of the file: docs/format.md#cluster-settings.
 */
import { LogError } from '../base/errors.ts'
import { readFileSync, writeFileAtomically } from '../files/write-fully.ts'
import { CLUSTER_SETTINGS_FILE, decodeClusterSettings, encodeClusterSettings, type Json } from '../format/cluster-settings.ts'
import { type LogCore } from '../topics/log-core.ts'
import { asLogError, withSystemErrors } from '../topics/log-folder.ts'

/** What may be kept. Names on disk are forever. */
export type KeptSection =
  | 'topic-configs' | 'broker-configs' | 'group-configs' | 'client-metrics-configs' | 'quotas' | 'replicas' | 'scram' | 'acls'

const MAX_BYTES = 16 * 1024 * 1024

const files = new WeakMap<LogCore, ClusterFile>()

/** The sections that are kept for one log. */
export class ClusterFile {
  readonly #core: LogCore
  readonly #path: string
  #sections: ReadonlyMap<string, Json>
  #changes: Promise<unknown> = Promise.resolve()

  /**
   * What is kept for a log: one for all that listen on it, read when it is first asked for.
   *
   * @throws LogError `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`
   */
  static of(core: LogCore): ClusterFile {
    const known = files.get(core) ?? new ClusterFile(core)
    files.set(core, known)
    return known
  }

  private constructor(core: LogCore) {
    this.#core = core
    this.#path = core.env.files.join(core.folder, CLUSTER_SETTINGS_FILE)
    const bytes = withSystemErrors(this.#path, () => readFileSync(core.env.files, this.#path, MAX_BYTES))
    this.#sections = bytes === undefined ? new Map() : decodeClusterSettings(bytes, this.#path)
  }

  /** What a section holds; undefined when nothing was set. Nobody may change it. */
  get(section: KeptSection): Json | undefined {
    return this.#sections.get(section)
  }

  /**
   * Replaces a section, durably; undefined takes it out.
   *
   * @throws LogError `LOG_READ_ONLY`, `LOG_LOCK_LOST`, `LOG_POLICY_VIOLATION` when all sections take more than 16 MiB, and those of writing a file
   */
  set(section: KeptSection, value: Json | undefined): Promise<void> {
    return this.change(section, () => value)
  }

  /** As `set`, with a value made from the one that is there while nobody else changes any. What `next` throws is thrown, and nothing changes. */
  change(section: KeptSection, next: (value: Json | undefined) => Json | undefined): Promise<void> {
    const changed = this.#changes.then(() => this.#replace(section, next(this.get(section))))
    this.#changes = changed.catch(() => {})
    return changed
  }

  async #replace(section: KeptSection, value: Json | undefined): Promise<void> {
    const sections = new Map(this.#sections)
    if (value === undefined) sections.delete(section)
    else sections.set(section, value)
    const bytes = encodeClusterSettings(sections)
    if (bytes.length > MAX_BYTES) {
      throw new LogError('LOG_POLICY_VIOLATION', `what clients set takes ${bytes.length} bytes, more than ${MAX_BYTES}`, { path: this.#path })
    }
    await this.#checkWritable()
    try {
      await writeFileAtomically(this.#core.env.files, this.#path, bytes)
    } catch (error) {
      throw asLogError(this.#path, error)
    }
    this.#sections = sections
  }

  async #checkWritable(): Promise<void> {
    const { readOnly, folder, env: { lock } } = this.#core
    if (readOnly) throw new LogError('LOG_READ_ONLY', `the log ${folder} was opened read-only`)
    if (lock === undefined || lock.confirmed || (await lock.confirm())) return
    throw new LogError('LOG_LOCK_LOST', `another process took the lock of ${folder}`)
  }
}
