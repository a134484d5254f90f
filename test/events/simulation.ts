/*
 * Lives of an event store on a disk that crashes: concurrent appends, conflicts, repetitions and reads against a model, and after each crash the
 * question whether everything that was promised is there, whole and in order, and nothing that was refused.
 *
 * The model is the list of what was attempted: each event has a token like no other, so that what is found is known again.
 */
import { seededRandom } from '../../src/base/random.ts'
import { isLogError } from '../../src/base/errors.ts'
import { openStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { defineEvents } from '../../src/events/define-events.ts'
import { halfSipHash } from '../../src/events/stream-table.ts'
import { type AppendResult, type Expected, type RecordedEvent, type StreamAppend } from '../../src/events/types.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { type TopicSettings } from '../../src/topics/settings.ts'

type TokenEvent = { readonly type: 'A' | 'B' | 'C'; readonly data: { readonly token: number; readonly padding: string } }

const ROOT = '/log'
const STREAMS = 5
const PLACED_VERSIONS = 4

/** One append to one or several streams, and what became of it. */
interface Attempt {
  readonly appends: readonly { readonly stream: string; readonly tokens: readonly number[]; readonly expected: Expected }[]
  outcome: 'unknown' | 'stored' | 'refused'
  results: readonly AppendResult[]
}

/** Lives over one seed. */
export class StoreLife {
  readonly random
  readonly seed: number
  readonly durability: 'sync' | 'os'
  readonly attempts: Attempt[] = []
  counts = { appends: 0, conflicts: 0, duplicates: 0, reads: 0, crashes: 0, failures: 0, repairs: 0 }
  disk: SimulatedDisk
  /** What a crash at each call to the disk would leave, and how many attempts were stored then. */
  readonly forks: { readonly disk: SimulatedDisk; readonly stored: readonly Attempt[]; readonly power: boolean }[] = []
  /** Take a fork at each so many calls; 0 takes none. */
  forkEach = 0
  private readonly settings: TopicSettings
  private readonly collide: boolean
  private token = 0
  private late: unknown
  private calls = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = seededRandom(seed)
    const pick = <T>(...choices: readonly T[]): T => choices[this.random.int(choices.length)]!
    this.durability = pick('sync', 'sync', 'os')
    this.collide = this.random.int(3) === 0
    this.settings = {
      durability: this.durability, segmentBytes: pick(1500, 4000, 20_000), batchSize: pick(300, 1000, 5500), maxMessageBytes: 6000,
      indexIntervalBytes: pick(0, 300, 4096), compressionType: pick('producer', 'producer', 'gzip'),
    }
    this.disk = new SimulatedDisk({ seed, journalLimit: 50, onCall: (_, disk) => this.called(disk) })
  }

  /** Opens the store of a disk. */
  async open(disk = this.disk): Promise<{ readonly log: CommitLog; readonly store: LocalEventStore<TokenEvent> }> {
    const log = await CommitLog.open(ROOT, { files: disk, random: seededRandom(disk.seed), minFreeBytes: 0 })
    const definition = defineEvents<TokenEvent>('t', { settings: this.settings })
    try {
      return { log, store: await openStore(log, definition, { idWindow: 50 }, this.collide ? () => 3 : halfSipHash, PLACED_VERSIONS) }
    } catch (error) {
      await log.close().catch(() => {})
      throw error
    }
  }

  /** One process: work, then a close, a kill or a power cut. */
  async process(rounds: number): Promise<void> {
    const { log, store } = await this.open()
    await this.check(store, this.stored, true)
    for (let round = 0; round < rounds; round++) {
      const { disk } = this
      if (this.forkEach === 0 && this.random.int(8) === 0) this.breakDisk()
      const under = Array.from({ length: 1 + this.random.int(6) }, () => this.act(store).catch((error: unknown) => {
        // What is left of a process that was killed says nothing.
        if (this.disk === disk) throw error
      }))
      if (this.random.int(4) > 0) await Promise.all(under)
      else under.forEach((one) => one.catch((error: unknown) => { this.late ??= error }))
      if (this.late !== undefined) throw this.late
      if (store.core.log.state === 'fenced') await this.repair(store)
    }
    this.disk.heal()
    const end = this.random.int(3)
    if (end === 0) {
      // A close says what it lost of appends that were still on their way, as they do themselves.
      await log.close().catch((error: unknown) => { if (!isLogError(error, 'LOG_APPEND_LOST') && !isLogError(error, 'LOG_FENCED')) throw error })
      await new Promise(setImmediate)
    } else {
      this.counts.crashes++
      this.disk = this.disk.crash({ power: end === 1 && this.durability === 'sync' })
      for (const attempt of this.attempts) if (attempt.outcome === 'unknown') attempt.results = []
    }
  }

  get stored(): Attempt[] {
    return this.attempts.filter(({ outcome }) => outcome === 'stored')
  }

  /** Some write or sync of events will fail. */
  private breakDisk(): void {
    const error = this.random.int(3) === 0 ? 'ENOSPC' : 'EIO'
    const verb = error === 'EIO' && this.random.int(2) === 0 ? 'sync' : 'write'
    this.disk.inject({ verb, path: '.log', error, times: 1, nth: 1 + this.random.int(3) })
  }

  /** After a failed write or sync: what was promised is still there, and appends go on. */
  private async repair(store: LocalEventStore<TokenEvent>): Promise<void> {
    this.disk.heal()
    this.counts.repairs++
    await store.core.log.reopen()
    await this.check(store, this.stored, false)
  }

  private called(disk: SimulatedDisk): void {
    if (this.forkEach === 0 || disk !== this.disk || ++this.calls % this.forkEach !== 0) return
    const power = this.durability === 'sync' && this.random.int(2) === 0
    this.forks.push({ disk: disk.fork(this.random.int(0x1_0000_0000), { power }), stored: this.stored, power })
  }

  private async act(store: LocalEventStore<TokenEvent>): Promise<void> {
    const kind = this.random.int(10)
    if (kind < 6) return this.append(store, 1)
    if (kind < 7) return this.append(store, 2 + this.random.int(2))
    if (kind < 8) return this.repeat(store)
    // As it happens by itself after many megabytes.
    if (kind < 9 && this.random.int(3) === 0) return store.core.writeCheckpoint()
    return this.readSome(store)
  }

  private async append(store: LocalEventStore<TokenEvent>, streams: number): Promise<void> {
    const names = Array.from({ length: STREAMS }, (_, number) => `s${number}`)
    const appends = Array.from({ length: streams }, () => {
      const stream = names.splice(this.random.int(names.length), 1)[0]!
      const tokens = Array.from({ length: 1 + this.random.int(4) }, () => ++this.token)
      return { stream, tokens, expected: this.expectation(store, stream) }
    })
    const attempt: Attempt = { appends, outcome: 'unknown', results: [] }
    this.attempts.push(attempt)
    await this.submit(store, attempt)
  }

  private async submit(store: LocalEventStore<TokenEvent>, attempt: Attempt): Promise<void> {
    const { disk } = this
    const inputs: StreamAppend<TokenEvent>[] = inputsOf(attempt)
    try {
      const [first] = inputs
      const results = inputs.length === 1
        ? [await store.append(first!.stream, first!.events, { expected: first!.expected! })]
        : await store.appendStreams(inputs)
      if (this.disk !== disk) return
      this.counts.appends++
      attempt.outcome = 'stored'
      attempt.results = results
    } catch (error) {
      if (this.disk !== disk) return
      if (isLogError(error, 'LOG_VERSION_CONFLICT')) {
        this.counts.conflicts++
        attempt.outcome = 'refused'
      } else if (isLogError(error) && ['LOG_EVENT_ID_TAKEN', 'LOG_RECORD_TOO_LARGE', 'LOG_BATCH_TOO_LARGE'].includes(error.code)) throw error
      else this.counts.failures++
    }
  }

  /** An append that was stored is sent again: while its ids are remembered, or where its version is told, it gives what it gave. */
  private async repeat(store: LocalEventStore<TokenEvent>): Promise<void> {
    const recent = this.stored.slice(-8)
    const attempt = recent[this.random.int(Math.max(1, recent.length))]
    if (attempt === undefined) return this.readSome(store)
    const results = await store.appendStreams(inputsOf(attempt)).catch((error: unknown) => {
      if (isLogError(error, 'LOG_FENCED') || isLogError(error, 'LOG_CLOSED')) return undefined
      throw error
    })
    if (results === undefined) return
    this.counts.duplicates++
    const told = (list: readonly AppendResult[]): string => JSON.stringify(list.map(({ stream, version, position }) => [stream, version, position]))
    if (told(results) !== told(attempt.results) || results.some(({ duplicate }) => !duplicate)) {
      throw new Error(`sent again, ${told(attempt.results)} became ${JSON.stringify(results)} (seed ${this.seed})`)
    }
  }

  private expectation(store: LocalEventStore<TokenEvent>, stream: string): Expected {
    const kind = this.random.int(8)
    if (kind < 3) return 'any'
    if (kind === 3) return 'none'
    if (kind === 4) return 'exists'
    return kind === 5 ? this.random.int(5) : store.head(stream)
  }

  private async readSome(store: LocalEventStore<TokenEvent>): Promise<void> {
    this.counts.reads++
    const stream = `s${this.random.int(STREAMS)}`
    const from = 1 + this.random.int(10)
    const limit = 1 + this.random.int(10)
    const backward = this.random.int(2) === 0
    const { events, version } = await store.read(stream, backward ? { to: from, limit, direction: 'backward' } : { from, limit })
    const wanted = Array.from({ length: limit }, (_, index) => (backward ? Math.min(from, version) - index : from + index))
      .filter((number) => number >= 1 && number <= version)
    const got = events.map((event) => event.version)
    if (JSON.stringify(got) !== JSON.stringify(wanted)) throw new Error(`read ${got} of ${stream}, not ${wanted} (seed ${this.seed})`)
  }

  /** Everything that was promised is there, whole and in order; nothing that was refused is. */
  async check(store: LocalEventStore<TokenEvent>, stored: readonly Attempt[], settle: boolean): Promise<void> {
    const all: RecordedEvent<TokenEvent>[] = []
    for await (const event of store.all({ until: 'end' })) all.push(event)
    const fail = (what: string): never => { throw new Error(`${what} (seed ${this.seed}, durability ${this.durability})`) }
    const places = new Map(all.map((event, index) => [event.data.token, index]))
    if (places.size !== all.length) fail('an event is there twice')
    for (const attempt of stored) {
      attempt.appends.forEach(({ stream, tokens }, number) => {
        const result = attempt.results[number]!
        tokens.forEach((token, index) => {
          const event = all[places.get(token) ?? -1] ?? fail(`event ${token} of ${stream} was stored and is gone`)
          const back = tokens.length - 1 - index
          const right = event.stream === stream && event.version === result.version - back && event.position === result.position - back
          if (!right) fail(`event ${token} is ${event.stream} ${event.version} at ${event.position}, and ${JSON.stringify(result)} was promised`)
        })
      })
    }
    this.checkHistory(all, places, fail)
    await this.checkStreams(store, all, fail)
    if (settle) for (const attempt of this.attempts) if (attempt.outcome === 'unknown') this.settle(attempt, all, places)
  }

  /** Appends are there all or none, each where what it expected held, and streams are dense. */
  private checkHistory(all: readonly RecordedEvent<TokenEvent>[], places: ReadonlyMap<number, number>, fail: (what: string) => never): void {
    const versions = new Map<string, number>()
    const known = new Map<number, Attempt>()
    for (const attempt of this.attempts) for (const { tokens } of attempt.appends) for (const token of tokens) known.set(token, attempt)
    let position = -1
    for (let index = 0; index < all.length;) {
      const attempt = known.get(all[index]!.data.token) ?? fail(`event ${all[index]!.data.token} was never appended`)
      if (attempt.outcome === 'refused') fail(`an append that was refused is there: ${JSON.stringify(attempt.appends)}`)
      for (const { stream, expected, tokens } of attempt.appends) {
        const before = versions.get(stream) ?? 0
        const held = expected === 'any' || (expected === 'none' ? before === 0 : expected === 'exists' ? before > 0 : before === expected)
        if (!held) fail(`${stream} was at ${before} where an append expected ${expected}`)
        for (const token of tokens) {
          const event = all[index]
          if (event === undefined || places.get(token) !== index) return fail(`an append is there in parts: ${JSON.stringify(attempt.appends)}`)
          const dense = event.stream === stream && event.version === (versions.get(stream) ?? 0) + 1
          if (!dense) fail(`versions of ${stream} are not dense at ${event.version}`)
          if (event.position <= position) fail(`position ${event.position} behind ${position}`)
          versions.set(stream, event.version)
          position = event.position
          index++
        }
      }
    }
  }

  private async checkStreams(
    store: LocalEventStore<TokenEvent>, all: readonly RecordedEvent<TokenEvent>[], fail: (what: string) => never,
  ): Promise<void> {
    for (let number = 0; number < STREAMS; number++) {
      const stream = `s${number}`
      const wanted = all.filter((event) => event.stream === stream)
      const { events, version, exists } = await store.read(stream)
      const [got, should] = [JSON.stringify(events), JSON.stringify(wanted)]
      if (got !== should) fail(`stream ${stream} reads ${got}, the log has ${should}`)
      const same = version === wanted.length && exists === wanted.length > 0 && store.head(stream) === version
      if (!same) fail(`${stream} is at ${version}, of ${wanted.length}`)
      await this.checkPlaces(store, stream, wanted, fail)
    }
  }

  /** The index of the middle of streams knows its events, whatever became of its files. */
  private async checkPlaces(
    store: LocalEventStore<TokenEvent>, stream: string, events: readonly RecordedEvent<TokenEvent>[], fail: (what: string) => never,
  ): Promise<void> {
    const { index: { table, places } } = store.core
    for (const { version, position } of events) {
      if (version % PLACED_VERSIONS !== 0) continue
      const place = await places.find(table, table.find(stream), version)
      if (place?.offset !== position) fail(`event ${version} of ${stream} is at ${position}, and its place says ${JSON.stringify(place)}`)
    }
  }

  /** Of an append that nobody heard of again the log tells what became of it. */
  private settle(attempt: Attempt, all: readonly RecordedEvent<TokenEvent>[], places: ReadonlyMap<number, number>): void {
    const [first] = attempt.appends
    if (!places.has(first!.tokens[0]!)) {
      attempt.outcome = 'refused'
      return
    }
    attempt.outcome = 'stored'
    attempt.results = attempt.appends.map(({ stream, tokens }) => {
      const event = all[places.get(tokens.at(-1)!)!]!
      return { stream, version: event.version, position: event.position, created: event.version === tokens.length, duplicate: false }
    })
  }
}

function inputsOf({ appends }: Attempt): StreamAppend<TokenEvent>[] {
  return appends.map(({ stream, tokens, expected }) => ({ stream, events: tokens.map(eventOf), expected }))
}

function eventOf(token: number): TokenEvent & { readonly id: string } {
  return { type: (['A', 'B', 'C'] as const)[token % 3]!, data: { token, padding: '.'.repeat((token * 37) % 120) }, id: `t-${token}` }
}

/** A whole life: several processes, each crashing. */
export async function live(seed: number, processes = 4, rounds = 12): Promise<StoreLife['counts']> {
  const life = new StoreLife(seed)
  for (let number = 0; number < processes; number++) await life.process(rounds)
  const { log, store } = await life.open()
  await life.check(store, life.stored, true)
  await log.close()
  return life.counts
}

/** What the proof of the simulation lives (test/simulation/planted-faults.test.ts). */
export const simulate = live

/** A life in which a crash at each call to the disk is looked at. */
export async function crashAtEveryCall(seed: number, rounds = 10): Promise<number> {
  const life = new StoreLife(seed)
  life.forkEach = 1
  await life.process(rounds)
  life.forkEach = 0
  for (const { disk, stored } of life.forks) {
    const { log, store } = await life.open(disk)
    await life.check(store, stored, false)
    await log.close()
  }
  return life.forks.length
}
