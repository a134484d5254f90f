/*
 * Hostile peers, drawn from a seed: several at a time attack one listener, with or without SASL and ACLs, and somebody who behaves well works
 * beside them. What they send is in hostile-frames.ts, how they send it in hostile-peer.ts.
 *
 * What counts as a find: a handler that throws what it does not expect, something thrown to nobody, a request that neither is answered nor ends
 * its connection, an answer that is none, a wrong answer to the one who behaves well, and connections or timers that are left.
 */
import { type Random, seededRandom } from '../../src/base/random.ts'
import { CommitLog, string } from '../../src/index.ts'
import { type KafkaListener, listen, type ListenerEvent, type ListenOptions } from '../../src/kafka/index.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type HostileFrame, HostileFrames, users } from './hostile-frames.ts'
import { HostilePeer } from './hostile-peer.ts'
import { Neighbour } from './neighbour.ts'

/** What a run found, and how much it did. */
export interface FuzzReport {
  readonly frames: number
  readonly answered: number
  readonly closed: number
  readonly found: readonly string[]
}

/** A log is thrown away after so many frames: hostile peers fill it. */
const FRAMES_A_LOG = 4000
/** Connections at a time. */
const PEERS = 4
/** Steps of time that a request may wait for, each twice as long as the one before: together longer than the 25 days that it can ask for. */
const MOST_STEPS = 18
const STEP_MS = 60_000
/** The one who behaves well does something after so many rounds. */
const ROUNDS_BETWEEN = 50

/** Sends about `frames` frames from a seed on. */
export async function fuzz(seed: number, frames: number): Promise<FuzzReport> {
  const random = seededRandom(seed)
  const report = { frames: 0, answered: 0, closed: 0, found: [] as string[] }
  while (report.frames < frames && report.found.length === 0) {
    const attack = await Attack.open(random)
    const until = Math.min(frames, report.frames + FRAMES_A_LOG)
    try {
      while (report.frames < until && attack.found.length === 0) {
        const { frames: sent, answered, closed } = await attack.round()
        report.frames += sent
        report.answered += answered
        report.closed += closed
      }
    } catch (error) {
      attack.found.push(`thrown by a timer: ${error instanceof Error ? error.stack : String(error)}`)
    } finally {
      await attack.close()
    }
    report.found.push(...attack.found.map((what) => `by frame ${report.frames} of SEED=${seed}: ${what}`))
  }
  return report
}

/** What a round did. */
interface Round {
  readonly frames: number
  readonly answered: number
  readonly closed: number
}

/** One log, its listener, and whoever is connected. */
class Attack {
  /** What should not be. */
  readonly found: string[] = []
  readonly #random: Random
  readonly #clock = new ManualClock()
  readonly #options: ListenOptions
  readonly #peers: (HostilePeer | undefined)[] = Array.from({ length: PEERS })
  readonly #frames: HostileFrames
  #log!: CommitLog
  #kafka!: KafkaListener
  #neighbour!: Neighbour
  #rounds = 0
  readonly #thrown = (error: unknown): void => void this.found.push(`thrown to nobody: ${error instanceof Error ? error.stack : String(error)}`)

  private constructor(random: Random) {
    this.#random = random
    this.#options = drawnOptions(random)
    this.#frames = new HostileFrames(random)
  }

  static async open(random: Random): Promise<Attack> {
    const attack = new Attack(random)
    for (const event of thrownToNobody) process.on(event, attack.#thrown)
    const log = await CommitLog.memory({ clock: attack.#clock, random: seededRandom(random.int(2 ** 31)), bufferBytes: 1024 * 1024 })
    await log.topic('neighbour', { key: string, value: string })
    attack.#log = log
    attack.#kafka = await listen(log, { ...attack.#options, onEvent: (event) => attack.#saw(event) })
    attack.#neighbour = new Neighbour(attack.#kafka, attack.#options.sasl === undefined ? undefined : users['neighbour'])
    return attack
  }

  /** Closes everything, and looks at what is left. */
  async close(): Promise<void> {
    for (const peer of this.#peers) peer?.destroy()
    await this.#turns(() => this.#kafka.connections === 0)
    if (this.#kafka.connections > 0) this.found.push(`${this.#kafka.connections} connections are left`)
    const closing = this.#kafka.close()
    await this.#clock.advance(STEP_MS)
    await closing
    await this.#log.close()
    if (this.#clock.timers > 0) this.found.push(`${this.#clock.timers} timers are left`)
    for (const event of thrownToNobody) process.off(event, this.#thrown)
  }

  /** Some peers send something at once; what is not answered nor refused is a find. */
  async round(): Promise<Round> {
    const random = this.#random
    const places = Array.from({ length: 1 + random.int(2) }, () => random.int(PEERS))
    const bursts = [...new Set(places)].map((place) => this.#burst(place))
    await Promise.all(bursts.map(({ peer, frames }) => peer.send(frames)))
    const settled = (): boolean => bursts.every(({ peer }) => peer.settled)
    await this.#turns(settled)
    // It waits for something: for its own time-out, if for nothing else. One that waits for more bytes is closed by its time-out.
    for (let step = 0; step < MOST_STEPS && !settled(); step++) {
      await this.#clock.advance(STEP_MS * 2 ** step)
      await this.#turns(settled)
    }
    this.#judge(bursts)
    if (this.#rounds++ % ROUNDS_BETWEEN === 0) this.found.push(...await this.#askNeighbour())
    const closed = bursts.filter(({ peer }) => peer.gone).length
    return { frames: bursts.reduce((sum, { frames }) => sum + frames.length, 0), answered: bursts.length - closed, closed }
  }

  #burst(place: number): { readonly peer: HostilePeer; readonly frames: HostileFrame[] } {
    const random = this.#random
    const frames: HostileFrame[] = []
    let peer = this.#peers[place]
    if (peer === undefined || peer.gone) {
      this.#peers[place] = peer = new HostilePeer(this.#kafka, random)
      if (this.#options.sasl !== undefined && random.int(8) > 0) frames.push(...this.#frames.introduction())
    } else if (random.int(40) === 0) {
      frames.push(...this.#frames.introduction())
    }
    for (let count = 1 + random.int(4); count > 0; count--) frames.push(this.#frames.next())
    return { peer, frames }
  }

  #judge(bursts: readonly { readonly peer: HostilePeer; readonly frames: readonly HostileFrame[] }[]): void {
    for (const { peer, frames } of bursts) {
      const sent = (): string => frames.map(({ what, bytes }) => `${what}:\n${bytes.toString('hex').slice(0, 4000)}`).join('\n')
      if (peer.wrong !== undefined) this.found.push(`${peer.wrong} to ${sent()}`)
      if (!peer.settled) this.found.push(`neither answered nor refused: ${sent()}`)
    }
  }

  /** Who behaves well waits for nobody. */
  async #askNeighbour(): Promise<string[]> {
    let answer: { readonly wrong: string | undefined } | undefined
    this.#neighbour.ask(this.#clock.now()).then((wrong) => { answer = { wrong } }, (error: unknown) => { answer = { wrong: String(error) } })
    await this.#turns(() => answer !== undefined, NEIGHBOURS_TURNS)
    if (answer === undefined) return [`the neighbour was not answered in round ${this.#rounds}`]
    return answer.wrong === undefined ? [] : [answer.wrong]
  }

  #saw(event: ListenerEvent): void {
    if (event.type !== 'request-failed') return
    const { cause, api } = event
    this.found.push(`${api} threw ${cause instanceof Error ? cause.stack : String(cause)}`)
  }

  /** Lets everybody have a few turns, fewer when something holds before. */
  async #turns(holds: () => boolean, most = MOST_TURNS): Promise<void> {
    for (let turn = 0; turn < most; turn++) {
      if (holds()) return
      await new Promise<void>((resolve) => setImmediate(resolve))
    }
  }
}

const thrownToNobody = ['uncaughtException', 'unhandledRejection'] as const
const MOST_TURNS = 12
const NEIGHBOURS_TURNS = 1000

/** A listener of some kind: half of them let everybody in. */
function drawnOptions(random: Random): ListenOptions {
  const sasl = {
    users, failedAuthenticationDelayMs: random.int(2) * 100, connectionsMaxReauthMs: random.int(2) * 3 * STEP_MS,
    oauthbearer: (token: string) => {
      if (token === 'throws') throw new Error('no such token')
      return { principal: token, lifetimeMs: Date.UTC(2026, 0, 1) + 10 * STEP_MS }
    },
  }
  const authorizer = {
    superUsers: ['User:neighbour', ...(random.int(2) === 0 ? ['User:ada'] : [])],
    acls: ['User:ada', 'User:ANONYMOUS'].flatMap((principal) => (['TOPIC', 'GROUP'] as const).map((resourceType) => {
      return { resourceType, resourceName: 'o', patternType: 'PREFIXED', principal, operation: 'ALL' } as const
    })),
  }
  const kind = random.int(6)
  return {
    maxRequestBytes: 64 * 1024, maxBufferedBytes: random.int(2) === 0 ? 256 * 1024 : 16 * 1024 * 1024,
    ...(random.int(6) === 0 && { brokers: 3 }),
    ...(kind < 2 && { sasl }),
    ...(kind === 1 && { authorizer }),
  }
}
