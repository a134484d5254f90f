/*
 * Lives of what follows an event store, on a disk that fails and crashes: concurrent commands that run into each other, projections that follow,
 * are inline or are built anew, a reactor, a database with its own transactions; handlers that fail, followers that are closed and begun again,
 * two of one name. Against a model: the rows of each are the fold of the events below its position, and what was made of each event is there once.
 */
import { isLogError, type LogErrorCode } from '../../src/base/errors.ts'
import { seededRandom } from '../../src/base/random.ts'
import { eventStore, type LocalEventStore } from '../../src/events/event-store.ts'
import { type Follower } from '../../src/events/follower.ts'
import { projectInto } from '../../src/events/project-into.ts'
import { defineProjection, type Projection, type ProjectionDefinition } from '../../src/events/projection-types.ts'
import { project } from '../../src/events/projections.ts'
import { react, type Reactor } from '../../src/events/reactor.ts'
import { type Aggregate, type RecordedEvent } from '../../src/events/types.ts'
import { CommitLog } from '../../src/index.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'

type TokenEvent =
  | { readonly type: 'Said'; readonly data: { readonly token: number } }
  | { readonly type: 'Echoed'; readonly data: { readonly token: number } }
type Store = LocalEventStore<TokenEvent>
type Rows = Projection<number[]>

const ROOT = '/log'
const STREAMS = ['a', 'b', 'c']
const PROJECTIONS = ['follows', 'inline', 'rebuilt'] as const

/** A database of a user: rows and checkpoint change together. */
export interface Database {
  readonly rows: readonly number[]
  readonly checkpoint: string | null
}

/** What followers are at work in one process. */
interface Followers {
  readonly projections: Map<string, Rows>
  reactor: Reactor
  database: Follower
}

const EMPTY: Database = { rows: [], checkpoint: null }
/** What a disk that fails may make of a call. */
const TROUBLE: readonly LogErrorCode[] = ['LOG_FENCED', 'LOG_DISK_FULL', 'LOG_APPEND_LOST', 'LOG_PROJECTION_FAILED', 'LOG_CLOSED', 'LOG_IO']

/** Lives over one seed. */
export class FollowingLife {
  readonly random
  readonly seed: number
  readonly durability: 'sync' | 'os'
  readonly counts = { commands: 0, conflicts: 0, repeated: 0, rebuilds: 0, failures: 0, restarts: 0, doubles: 0, faults: 0, crashes: 0, checks: 0 }
  readonly forks: { readonly disk: SimulatedDisk; readonly database: Database; readonly stored: readonly number[] }[] = []
  /** Take a fork at each so many calls to the disk; 0 takes none. */
  forkEach = 0
  /** What it does at the moment, for who finds it hanging. */
  doing = 'nothing'
  disk: SimulatedDisk
  database: Database = EMPTY
  /** Tokens whose command succeeded, and those whose command was refused. */
  #stored = new Set<number>()
  readonly #refused = new Set<number>()
  readonly #broken = new Set<string>()
  #token = 0
  #calls = 0

  constructor(seed: number) {
    this.seed = seed
    this.random = seededRandom(seed)
    this.durability = this.random.int(3) === 0 ? 'os' : 'sync'
    this.disk = new SimulatedDisk({ seed, journalLimit: 50, onCall: (_, disk) => this.#called(disk) })
  }

  /** One process: commands and trouble, then a close, a kill or a power cut. */
  async process(rounds: number): Promise<void> {
    const { disk } = this
    const { log, store } = await this.#open(disk)
    const followers = await this.#start(store, disk, true)
    const aggregate = store.aggregate({ initial: (): readonly number[] => [], evolve: (tokens, { data }) => [...tokens, data.token] })
    for (let round = 0; round < rounds; round++) {
      if (this.forkEach === 0 && this.random.int(6) === 0) this.#breakDisk()
      const commands = Array.from({ length: 1 + this.random.int(5) }, () => this.#command(aggregate))
      this.doing = `round ${round}: commands`
      await Promise.all([...commands, this.#trouble(store, followers, disk)])
      this.doing = `round ${round}: mending`
      await this.#mend(store, followers)
      this.doing = `round ${round}: looking`
      if (this.random.int(2) === 0) await this.#checkNow(store, followers)
    }
    const end = this.random.int(3)
    this.doing = `end ${end}`
    if (end === 0) {
      await close(followers)
      await log.close()
      return
    }
    this.counts.crashes++
    const power = end === 1
    this.disk = disk.crash({ power })
    // What the system had not written is lost in a power cut, when nobody asked it to be synced.
    if (power && this.durability === 'os') this.#stored = new Set()
  }

  /** Opens what a crash left, and looks whether everything is as it has to be: at once, and when all have caught up. */
  async check(disk: SimulatedDisk, database: Database, stored: Iterable<number> = this.#stored): Promise<void> {
    this.counts.checks++
    const before = [this.disk, this.database] as const
    ;[this.disk, this.database] = [disk, database]
    this.doing = 'opening what a crash left'
    const { log, store } = await this.#open(disk)
    const followers = await this.#start(store, disk, false)
    this.doing = 'looking at what a crash left'
    await this.#checkNow(store, followers)
    await this.#checkAll(store, followers, stored)
    await close(followers)
    await log.close()
    if (before[0] !== disk) [this.disk, this.database] = before
  }

  get stored(): readonly number[] {
    return [...this.#stored]
  }

  async #open(disk: SimulatedDisk): Promise<{ readonly log: CommitLog; readonly store: Store }> {
    // Each process draws numbers of its own: ids of topics must not come again.
    const log = await CommitLog.open(ROOT, { files: disk, random: seededRandom(this.random.int(0x1_0000_0000)), minFreeBytes: 0 })
    const settings = { durability: this.durability, segmentBytes: 3000, maxMessageBytes: 2000, batchSize: 600 } as const
    return { log, store: await eventStore<TokenEvent>(log, { category: 't', settings }) }
  }

  // The followers

  async #start(store: Store, disk: SimulatedDisk, together: boolean): Promise<Followers> {
    const definitions = PROJECTIONS.map((name) => this.#definition(name))
    const running = together ? await project(store, definitions) : await Promise.all(definitions.map((definition) => project(store, definition)))
    return {
      projections: new Map(PROJECTIONS.map((name, index) => [name, running[index]!])),
      reactor: await this.#react(store), database: await this.#into(store, disk),
    }
  }

  #definition(name: typeof PROJECTIONS[number]): ProjectionDefinition<TokenEvent, number[]> {
    const fold = (row: number[], { data: { token } }: { readonly data: { readonly token: number } }): number[] | undefined => {
      // What a handler did to its row before it failed is taken back.
      row.push(token)
      if (this.#broken.has(name)) throw new Error(`${name} fails at ${token}`)
      return token % 2 === 0 ? [...row] : undefined
    }
    return defineProjection<TokenEvent, number[]>({
      name, inline: name === 'inline', storeEveryMs: name === 'follows' ? 0 : 2, initial: () => [], on: { Said: fold, Echoed: fold },
    })
  }

  #react(store: Store): Promise<Reactor> {
    return react(store, {
      name: 'echo', types: ['Said'], retry: { attempts: 2, delayMs: 0 },
      handle: async ({ stream, data }, { append, signal }) => {
        append(`echo-${stream}`, { type: 'Echoed', data })
        await new Promise((resolve) => { setImmediate(resolve) })
        signal.throwIfAborted()
        if (this.#broken.has('echo')) throw new Error('the echo fails')
      },
    })
  }

  async #into(store: Store, disk: SimulatedDisk): Promise<Follower> {
    const begin = (): Promise<Follower> => projectInto(store, {
      name: 'database', retry: { attempts: 1 }, batch: 3,
      checkpoint: () => this.database.checkpoint,
      write: async (events, checkpoint) => {
        await new Promise((resolve) => { setImmediate(resolve) })
        // A process that was killed writes nothing more.
        if (this.disk !== disk) throw new Error('this process is dead')
        if (this.#broken.has('database')) throw new Error('the database fails')
        this.database = { rows: [...this.database.rows, ...events.map(({ data }) => data.token)], checkpoint }
      },
    })
    return begin().catch((error: unknown) => {
      // It knows events that a power cut took from the log: it is built anew.
      if (!isLogError(error, 'LOG_CHECKPOINT_AHEAD') || this.durability === 'sync') throw error
      this.database = EMPTY
      return begin()
    })
  }

  // What happens

  async #command(aggregate: Aggregate<TokenEvent, readonly number[], never>): Promise<void> {
    const stream = STREAMS[this.random.int(STREAMS.length)]!
    const tokens = Array.from({ length: this.random.int(8) === 0 ? 0 : 1 + this.random.int(2) }, () => ++this.#token)
    const id = this.random.int(3) === 0 ? `command-${this.#token}-${this.random.int(1_000_000)}` : undefined
    const slow = this.random.int(2) === 0
    const decide = async (): Promise<TokenEvent[]> => {
      if (slow) await new Promise((resolve) => { setImmediate(resolve) })
      return tokens.map((token) => ({ type: 'Said', data: { token } }))
    }
    const { disk } = this
    try {
      const options = { retries: this.random.int(3), ...(id !== undefined && { id }) }
      const { state, version, duplicate } = await aggregate.handle(stream, decide, options)
      if (this.disk !== disk) return
      this.counts.commands++
      for (const token of tokens) this.#stored.add(token)
      const told = [state.length, state.slice(state.length - tokens.length), duplicate]
      this.#same(told, [version, tokens, false], `the state behind a command on ${stream}`)
      if (id === undefined || tokens.length === 0) return
      const again = await aggregate.handle(stream, decide, { id })
      if (this.disk !== disk) return
      this.counts.repeated++
      this.#same([again.duplicate, again.version], [true, version], `command ${id} handled again`)
    } catch (error) {
      if (this.disk !== disk) return
      if (isLogError(error, 'LOG_VERSION_CONFLICT')) {
        this.counts.conflicts++
        for (const token of tokens) if (!this.#stored.has(token)) this.#refused.add(token)
      } else this.#allowed(error)
    }
  }

  async #trouble(store: Store, followers: Followers, disk: SimulatedDisk): Promise<void> {
    const kind = this.random.int(8)
    this.doing += `, trouble ${kind}`
    const name = PROJECTIONS[this.random.int(PROJECTIONS.length)]!
    const projection = followers.projections.get(name)!
    try {
      if (kind === 0) await this.#failing(name, projection)
      else if (kind === 1) await this.#failing('echo', followers.reactor)
      else if (kind === 2) await this.#failing('database', followers.database)
      else if (kind === 3) {
        this.counts.rebuilds++
        await Promise.all([projection.rebuild(), projection.rebuild()])
      } else if (kind === 4) await this.#restart(store, followers, name, disk)
      else if (kind === 5) await this.#double(store, name)
    } catch (error) {
      this.#allowed(error)
    }
  }

  /** A handler fails for a while; what it stands before is handled when it goes on, asked for once or twice. */
  async #failing(name: string, follower: Rows | Follower): Promise<void> {
    this.counts.failures++
    this.#broken.add(name)
    await new Promise((resolve) => { setImmediate(resolve) })
    this.#broken.delete(name)
    await Promise.all([follower.resume(), follower.resume()])
  }

  async #restart(store: Store, followers: Followers, name: typeof PROJECTIONS[number], disk: SimulatedDisk): Promise<void> {
    this.counts.restarts++
    const kind = this.random.int(3)
    if (kind === 0) {
      await followers.projections.get(name)!.close()
      followers.projections.set(name, await project(store, this.#definition(name)))
    } else if (kind === 1) {
      await followers.reactor.close()
      followers.reactor = await this.#react(store)
    } else {
      await followers.database.close()
      followers.database = await this.#into(store, disk)
    }
  }

  /** Two of one name: a projection is refused, and of two reactors one ends. */
  async #double(store: Store, name: typeof PROJECTIONS[number]): Promise<void> {
    this.counts.doubles++
    const code = await project(store, this.#definition(name)).then(() => undefined, (error: unknown) => (isLogError(error) ? error.code : error))
    this.#same(code, 'LOG_PROJECTION_RUNS', 'a second projection of one name')
    const second = await this.#react(store)
    await new Promise((resolve) => { setImmediate(resolve) })
    await second.close()
  }

  #breakDisk(): void {
    this.counts.faults++
    const error = this.random.int(3) === 0 ? 'ENOSPC' : 'EIO'
    this.disk.inject({ verb: this.random.int(2) === 0 ? 'sync' : 'write', path: /\.log$/, error, times: 1, nth: 1 + this.random.int(4) })
  }

  /** The disk is in order again: the store takes appends, and whoever stopped goes on. */
  async #mend(store: Store, { projections, reactor, database }: Followers): Promise<void> {
    this.disk.heal()
    for (let left = 3; left > 0; left--) {
      try {
        await store.reopen()
        for (const one of [...projections.values(), reactor, database]) if (one.progress().status === 'failed') await one.resume()
      } catch (error) {
        // What was under way when the disk failed may end with it now.
        this.#allowed(error)
      }
    }
  }

  #allowed(error: unknown): void {
    if (isLogError(error) && TROUBLE.includes(error.code)) return
    throw error
  }

  // What has to be

  /** Rows are the fold of the events below their position, whatever that is. */
  async #checkNow(store: Store, { projections }: Followers): Promise<void> {
    const now = [...projections].filter(([, one]) => one.progress().status !== 'failed')
      .map(([name, one]) => ({ name, position: one.position, rows: rowsOf(one) }))
    const { rows, checkpoint } = this.database
    const all = await eventsOf(store)
    for (const { name, position, rows: found } of now) this.#same(found, folded(all, position), `rows of ${name} at ${position}`)
    const below = Number(checkpoint?.split(':')[1] ?? 0)
    const ahead = this.durability === 'os' && below > store.durablePosition
    if (!ahead) this.#same(rows, tokensOf(all.filter(({ position }) => position < below)), `rows of the database at ${checkpoint}`)
  }

  async #checkAll(store: Store, { projections, reactor, database }: Followers, stored: Iterable<number>): Promise<void> {
    await reactor.caughtUp()
    await Promise.all([...projections.values(), database].map((one) => one.caughtUp()))
    const all = await eventsOf(store)
    for (const [name, one] of projections) this.#same(rowsOf(one), folded(all, Infinity), `rows of ${name}`)
    this.#same(this.database.rows, tokensOf(all), 'rows of the database')
    const [said, echoed] = [all.filter(({ type }) => type === 'Said'), all.filter(({ type }) => type === 'Echoed')]
    this.#same(echoed.map(({ metadata }) => metadata.causation), said.map(({ id }) => id), 'what the reactor made')
    const tokens = new Set(tokensOf(said))
    this.#same(tokens.size, said.length, 'tokens')
    this.#same([...stored].filter((token) => !tokens.has(token)), [], 'tokens that were promised and are gone')
    this.#same([...this.#refused].filter((token) => tokens.has(token)), [], 'tokens that were refused and are there')
    const versions = new Map<string, number>()
    let last = -1
    for (const { stream, version, position } of all) {
      this.#same(version, (versions.get(stream) ?? 0) + 1, `versions of ${stream}`)
      this.#same(position > last, true, `position ${position} behind ${last}`)
      versions.set(stream, version)
      last = position
    }
  }

  #same(found: unknown, wanted: unknown, what: string): void {
    const [is, should] = [JSON.stringify(found), JSON.stringify(wanted)]
    if (is !== should) throw new Error(`${what}: ${is}, and not ${should} (seed ${this.seed}, durability ${this.durability})`)
  }

  #called(disk: SimulatedDisk): void {
    if (this.forkEach === 0 || disk !== this.disk || ++this.#calls % this.forkEach !== 0) return
    const power = this.random.int(2) === 0
    const stored = power && this.durability === 'os' ? [] : this.stored
    this.forks.push({ disk: disk.fork(this.random.int(0x1_0000_0000), { power }), database: this.database, stored })
  }
}

async function close({ projections, reactor, database }: Followers): Promise<void> {
  await Promise.all([...projections.values(), reactor, database].map((one) => one.close()))
}

async function eventsOf(store: Store): Promise<RecordedEvent<TokenEvent>[]> {
  const all: RecordedEvent<TokenEvent>[] = []
  for await (const event of store.all({ until: 'end' })) all.push(event)
  return all
}

function tokensOf(events: readonly RecordedEvent<TokenEvent>[]): number[] {
  return events.map(({ data }) => data.token)
}

function rowsOf(projection: Rows): unknown {
  return [...projection.entries()].map(([key, tokens]) => [key, [...tokens]]).sort()
}

function folded(events: readonly RecordedEvent<TokenEvent>[], below: number): unknown {
  const rows = new Map<string, number[]>()
  for (const { stream, position, data } of events) if (position < below) rows.set(stream, [...(rows.get(stream) ?? []), data.token])
  return [...rows].sort()
}

/** A whole life: several processes, most of which crash, and a look at what is left after each. */
export async function followingLife(seed: number, processes = 3, rounds = 8): Promise<FollowingLife['counts']> {
  const life = new FollowingLife(seed)
  for (let number = 0; number < processes; number++) {
    await life.process(rounds)
    await life.check(life.disk, life.database)
  }
  return life.counts
}

/** A life in which what a crash at each so many calls to the disk would leave is looked at. */
export async function crashWhileFollowing(seed: number, forkEach: number, rounds = 4): Promise<number> {
  const life = new FollowingLife(seed)
  life.forkEach = forkEach
  await life.process(rounds)
  life.forkEach = 0
  for (const { disk, database, stored } of life.forks) await life.check(disk, database, stored)
  return life.forks.length
}
