/*
 * Many streams against a compact model: a version and a hash for each. Commands at the same time, conflicts, appends to several streams; what was
 * acknowledged is noted, so that a process which was killed is looked at by the next one: all that was noted is there, in its order, and what came
 * on top is what was under way.
 */
import { isLogError } from '../../src/base/errors.ts'
import { type Random } from '../../src/base/random.ts'
import { defineEvents } from '../../src/events/define-events.ts'
import { type LocalEventStore } from '../../src/events/event-store.ts'

/** `token` is chance: what a stream has is told by the hash of its tokens. */
export type Counted = { readonly type: 'Counted'; readonly data: { readonly token: number; readonly padding: string } }

export const Many = defineEvents<Counted>('many', { settings: { durability: 'os' } })

/** Appends under way at a time. */
const IN_FLIGHT = 256

/** What was acknowledged of a process: pairs of a stream and a token. */
export interface Ledger {
  add(pairs: Uint32Array): void
}

/** What a run did. */
export interface ManyCounts {
  events: number
  conflicts: number
  commands: number
  several: number
}

/** The streams, as they have to be. */
export class ManyStreams {
  readonly versions: Uint32Array
  readonly counts: ManyCounts = { events: 0, conflicts: 0, commands: 0, several: 0 }
  readonly #hashes: Uint32Array
  readonly #padding: string

  constructor(streams: number, padding: number) {
    this.versions = new Uint32Array(streams)
    this.#hashes = new Uint32Array(streams)
    this.#padding = '.'.repeat(padding)
  }

  /** Takes in what was noted before. */
  replay(pairs: Uint32Array): void {
    for (let at = 0; at < pairs.length; at += 2) this.#note(pairs[at]!, pairs[at + 1]!)
  }

  get events(): number {
    return this.versions.reduce((sum, version) => sum + version, 0)
  }

  /** Appends so many events, and notes in `ledger` what was acknowledged. Ends early when `dead` says so. */
  async append(store: LocalEventStore<Counted>, random: Random, count: number, ledger: Ledger, dead: () => boolean = () => false): Promise<void> {
    const aggregate = store.aggregate({ initial: () => 0, evolve: (hash, { data }) => mixed(hash, data.token), cachedStates: 1000 })
    for (let left = count; left > 0 && !dead();) {
      const acknowledged: number[] = []
      const busy = new Set<number>()
      const under: Promise<void>[] = []
      const free = (): number => {
        for (;;) {
          const stream = random.int(this.versions.length)
          if (!busy.has(stream)) return busy.add(stream) && stream
        }
      }
      const token = (): number => random.int(0x1_0000_0000)
      while (left > 0 && under.length < IN_FLIGHT) {
        const kind = random.int(32)
        const note = (stream: number, noted: number): void => void acknowledged.push(stream, noted)
        if (kind === 0) under.push(this.#race(store, free(), token(), token(), note))
        else if (kind === 1) under.push(this.#commands(aggregate, free(), [token(), token()], note))
        else if (kind === 2) under.push(this.#together(store, [free(), free()], [token(), token()], note))
        else under.push(this.#one(store, free(), token(), note))
        left -= kind === 1 || kind === 2 ? 2 : 1
      }
      const results = await Promise.allSettled(under)
      // What is left of a process that was killed says nothing.
      if (dead()) return
      for (const result of results) if (result.status === 'rejected') throw result.reason as Error
      this.replay(Uint32Array.from(acknowledged))
      this.counts.events += acknowledged.length / 2
      ledger.add(Uint32Array.from(acknowledged))
    }
  }

  /**
   * Looks whether the store is the model.
   *
   * @param killed  events that nobody noted may be there, behind those that were: they are taken in
   * @returns those
   */
  async check(store: LocalEventStore<Counted>, killed: boolean): Promise<Uint32Array> {
    const seen = new ManyStreams(this.versions.length, 0)
    const more: number[] = []
    let last = -1
    for await (const batch of store.all({ until: 'end' }).batches()) {
      for (const { stream: id, version, position, data: { token } } of batch) {
        const stream = numberOf(id)
        const right = version === seen.versions[stream]! + 1 && position === ++last
        if (!right) throw new Error(`version ${version} of ${id} at ${position}, behind version ${seen.versions[stream]} and position ${last - 1}`)
        seen.#note(stream, token)
        if (version > this.versions[stream]!) more.push(stream, token)
        const same = version !== this.versions[stream] || seen.#hashes[stream] === this.#hashes[stream]
        if (!same) throw new Error(`the events of ${id} up to version ${version} are others than those that were acknowledged`)
      }
    }
    for (let stream = 0; stream < this.versions.length; stream++) {
      const [found, wanted] = [seen.versions[stream]!, this.versions[stream]!]
      if (found < wanted) throw new Error(`${idOf(stream)} has ${found} events, and ${wanted} were acknowledged`)
      if (store.head(idOf(stream)) !== found) throw new Error(`${idOf(stream)} is at ${store.head(idOf(stream))}, and has ${found} events`)
    }
    const pairs = Uint32Array.from(more)
    if (pairs.length > (killed ? 4 * IN_FLIGHT : 0)) throw new Error(`${pairs.length / 2} events are there that nobody appended`)
    this.replay(pairs)
    return pairs
  }

  /** Reads streams by chance, whole, from the middle, and backward. */
  async readSome(store: LocalEventStore<Counted>, random: Random, count: number): Promise<void> {
    for (let left = count; left > 0; left--) {
      const stream = random.int(this.versions.length)
      const wanted = this.versions[stream]!
      const { events, version } = await store.read(idOf(stream))
      const hash = events.reduce((sum, { data }) => mixed(sum, data.token), 0)
      const right = version === wanted && events.length === wanted && hash === this.#hashes[stream] &&
        events.every((event, index) => event.version === index + 1)
      if (!right) throw new Error(`${idOf(stream)} reads ${JSON.stringify(events)}, and has ${wanted} events`)
      const part = await store.read(idOf(stream), { to: Math.ceil(wanted / 2), limit: 2, direction: 'backward' })
      const [should, is] = [events.slice(0, Math.ceil(wanted / 2)).slice(-2).reverse(), part.events]
      if (JSON.stringify(should) !== JSON.stringify(is)) throw new Error(`${idOf(stream)} reads ${JSON.stringify(is)} backward`)
    }
  }

  #note(stream: number, token: number): void {
    this.versions[stream]!++
    this.#hashes[stream] = mixed(this.#hashes[stream]!, token)
  }

  #event(token: number): Counted {
    return { type: 'Counted', data: { token, padding: this.#padding } }
  }

  async #one(store: LocalEventStore<Counted>, stream: number, token: number, note: (stream: number, token: number) => void): Promise<void> {
    const version = this.versions[stream]!
    const result = await store.append(idOf(stream), this.#event(token), { expected: version === 0 ? 'none' : version })
    if (result.version !== version + 1 || result.created !== (version === 0)) throw new Error(`${version} became ${JSON.stringify(result)}`)
    note(stream, token)
  }

  /** Two appends that expect the same version: one is stored. */
  async #race(
    store: LocalEventStore<Counted>, stream: number, first: number, second: number, note: (stream: number, token: number) => void,
  ): Promise<void> {
    const version = this.versions[stream]!
    const results = await Promise.allSettled([first, second].map((token) => store.append(idOf(stream), this.#event(token), { expected: version })))
    const stored = results.flatMap(({ status }, index) => (status === 'fulfilled' ? [[first, second][index]!] : []))
    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
    const [error] = refused
    if (stored.length !== 1 || !isLogError(error, 'LOG_VERSION_CONFLICT') || error.detail['current'] !== version + 1) {
      throw new Error(`of two appends to ${idOf(stream)} at ${version} ${stored.length} were stored: ${String(error)}`, { cause: error })
    }
    this.counts.conflicts++
    note(stream, stored[0]!)
  }

  /** Two commands at the same time, which are tried again when they run into each other. */
  async #commands(
    aggregate: ReturnType<LocalEventStore<Counted>['aggregate']>, stream: number, tokens: readonly number[],
    note: (stream: number, token: number) => void,
  ): Promise<void> {
    const before = this.#hashes[stream]!
    const decide = async (token: number): Promise<Counted> => this.#event(token)
    const handled = await Promise.all(tokens.map((token) => aggregate.handle(idOf(stream), () => decide(token), { retries: 2 })))
    const order = handled.map(({ version }, index) => ({ version, token: tokens[index]! })).sort((a, b) => a.version - b.version)
    const hash = order.reduce((sum, { token }) => mixed(sum, token), before)
    const folded = handled.find(({ version }) => version === order[1]!.version)!.state
    if (folded !== hash) throw new Error(`the state of ${idOf(stream)} is not the fold of its events`)
    this.counts.commands += 2
    for (const { token } of order) note(stream, token)
  }

  /** Two streams, all or nothing. */
  async #together(
    store: LocalEventStore<Counted>, streams: readonly number[], tokens: readonly number[], note: (stream: number, token: number) => void,
  ): Promise<void> {
    await store.appendStreams(streams.map((stream, index) => (
      { stream: idOf(stream), events: this.#event(tokens[index]!), expected: this.versions[stream]! }
    )))
    this.counts.several++
    streams.forEach((stream, index) => note(stream, tokens[index]!))
  }
}

function mixed(hash: number, token: number): number {
  const sum = Math.imul(hash ^ token, 0x9e37_79b1) >>> 0
  return (sum ^ (sum >>> 15)) >>> 0
}

function idOf(stream: number): string {
  return `stream-${String(stream).padStart(13, '0')}`
}

function numberOf(id: string): number {
  return Number(id.slice('stream-'.length))
}
