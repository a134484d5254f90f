/*
 * What Node does for this process in other threads: compression, passwords and signatures, files, names of hosts. It takes real time and no virtual
 * one, so whoever moves time waits for it. Seen by async_hooks, which tell of each piece of work when it is made, and when its callback has run.
 */
import { createHook } from 'node:async_hooks'

/** Work that begins when it is made; the last is that of addons by napi-rs, which give theirs no name. */
const requests: ReadonlySet<string> = new Set([
  'FSREQCALLBACK', 'FSREQPROMISE', 'FILEHANDLECLOSEREQ', 'GETADDRINFOREQWRAP', 'GETNAMEINFOREQWRAP', 'QUERYWRAP', 'undefined',
])

/** A stream of zlib: each `write` is a piece of work. */
interface Compressor {
  write(...given: unknown[]): void
  close(): void
}

/** A piece of work of `node:crypto`. */
interface CryptoJob {
  /** Where it is asynchronous: called when it is done. */
  readonly ondone?: unknown
  /** Begins it. Gives a promise where `crypto.subtle` of newer versions of Node asked for it. */
  run(): unknown
}

interface Held {
  readonly id: number
  begin(): void
  /** Whether it takes time, in contrast to the end of a stream behind its last write. */
  readonly isWork: boolean
}

/** What is under way in other threads, in all of this process. */
class ThreadWork {
  readonly #hook = createHook({
    init: (id, type, _trigger, resource) => this.#made(id, type, resource),
    after: (id) => this.#done(id),
    // Of newer versions of Node: promises need no looking at, which makes them slower.
    ...{ trackPromises: false },
  })
  #watchers = 0
  /** By async id: how many pieces of it are. A stream can begin the next one before the callback of the last one is over. */
  readonly #begun = new Map<number, number>()
  #held: Held[] = []
  #holds = false

  /** Work is under way. */
  get underWay(): boolean {
    return this.#begun.size > 0
  }

  /** Work waits to be begun. */
  get waits(): boolean {
    return this.#held.length > 0
  }

  /** Looks at what is made from now on. Gives the function that ends it. */
  watch(): () => void {
    if (this.#watchers++ === 0) this.#hook.enable()
    let watches = true
    return () => {
      if (!watches) return
      watches = false
      if (--this.#watchers > 0) return
      this.#hook.disable()
      this.giveUp()
    }
  }

  /**
   * From now on compression and passwords begin when {@link beginNext} is called, one after the other: who is done first depends on nobody's speed.
   * Gives the function that ends it.
   */
  hold(): () => void {
    this.#holds = true
    return () => {
      this.#holds = false
      while (this.waits) this.beginNext()
    }
  }

  /** Begins what waits for the longest time. False when nothing waits. */
  beginNext(): boolean {
    for (let next = this.#held.shift(); next !== undefined; next = this.#held.shift()) {
      if (next.isWork) this.#count(next.id)
      next.begin()
      if (next.isWork) return true
    }
    return false
  }

  /** Nobody waits any longer for what is under way now. */
  giveUp(): void {
    this.#begun.clear()
  }

  #made(id: number, type: string, resource: object): void {
    if (requests.has(type)) this.#count(id)
    else if (type === 'ZLIB') this.#watchCompressor(id, resource as Compressor)
    else if (type.endsWith('REQUEST') && typeof (resource as Partial<CryptoJob>).run === 'function') this.#watchJob(id, resource as CryptoJob)
  }

  #watchCompressor(id: number, stream: Compressor): void {
    const { write, close } = stream
    stream.write = (...given) => this.#begin({ id, isWork: true, begin: () => write.apply(stream, given) })
    stream.close = () => {
      if (this.#held.some((held) => held.id === id)) this.#held.push({ id, isWork: false, begin: () => close.call(stream) })
      else close.call(stream)
    }
  }

  #watchJob(id: number, job: CryptoJob): void {
    const { run } = job
    job.run = () => {
      if (job.ondone !== undefined) return this.#begin({ id, isWork: true, begin: () => void run.call(job) })
      const result = run.call(job)
      if (result instanceof Promise) this.#count(id)
      return result
    }
  }

  #begin(work: Held): void {
    this.#held.push(work)
    if (!this.#holds) this.beginNext()
  }

  #count(id: number): void {
    // A stream that was made while somebody looked may live on: nobody would hear of its end.
    if (this.#watchers === 0) return
    this.#begun.set(id, (this.#begun.get(id) ?? 0) + 1)
  }

  #done(id: number): void {
    const count = this.#begun.get(id)
    if (count === undefined) return
    if (count === 1) this.#begun.delete(id)
    else this.#begun.set(id, count - 1)
  }
}

/** The one of this process. */
export const threadWork = new ThreadWork()
