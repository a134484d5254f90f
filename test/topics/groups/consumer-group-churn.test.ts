import { expect, test } from 'vitest'
import { MemoryFileSystem } from '../../../src/files/memory.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { ManualClock } from '../../../src/testing/manual-clock.ts'
import { Client, type World, world } from './consumer-client.ts'
import { addTopic } from './harness.ts'

const MEMBERS = 200
const STEPS = 1500

/** Members that come, go, fall silent, lose answers and subscribe to something else; topics that grow; the log restarts. */
class Churn {
  readonly files: MemoryFileSystem
  readonly clock = new ManualClock()
  readonly live = new Set<Client>()
  readonly #below: (bound: number) => number
  at!: World
  #count = 0
  #partitions = 40

  constructor(seed: number) {
    this.files = new MemoryFileSystem({ clock: this.clock })
    const random = seededRandom(seed)
    this.#below = (bound) => random.bytes(4).reduce((sum, byte) => (sum * 256 + byte) % 1_000_003, 0) % bound
  }

  async open(): Promise<void> {
    this.at = await world({}, { clock: this.clock, files: this.files, groupConsumerSessionTimeoutMs: 6000 })
  }

  async step(): Promise<void> {
    if (this.#count < MEMBERS && this.#below(3) > 0) return this.#join()
    const members = [...this.live]
    const one = members[this.#below(Math.max(1, members.length))]
    switch (this.#below(24)) {
      case 0: case 1: case 2: return this.#join()
      case 3: case 4: return one === undefined ? undefined : this.#leave(one)
      case 5: return void (one !== undefined && this.#below(3) === 0 && this.live.delete(one))         // crashed: its session ends by itself
      case 6: return one?.lose()
      case 7: return void (await one?.beat({ topicNames: this.#topics() }))
      case 8: return this.#below(20) === 0 ? addTopic(this.at.core, 't', ++this.#partitions) : undefined
      case 9: return this.#below(40) === 0 ? this.#restart() : undefined
      case 10: return this.clock.advance(100)
      default: return one === undefined ? undefined : this.#beat(one)
    }
  }

  #topics(): string[] {
    return (['t', 'u', 'tu'] as const)[this.#below(3)]!.split('')
  }

  async #join(): Promise<void> {
    if (this.live.size >= MEMBERS) return
    const member = new Client(this.at, `m${++this.#count}`, { topicNames: this.#topics(), ...(this.#below(5) === 0 && { serverAssignor: 'range' }) })
    this.live.add(member)
    await this.#beat(member)
  }

  async #leave(member: Client): Promise<void> {
    this.live.delete(member)
    await member.leave()
  }

  async #beat(member: Client): Promise<void> {
    const { error } = await member.beat()
    if (error === 'NONE') return
    // As clients do: it gives everything up, and comes back as a new one.
    expect(['UNKNOWN_MEMBER_ID', 'FENCED_MEMBER_EPOCH']).toContain(error)
    this.live.delete(member)
  }

  async #restart(): Promise<void> {
    await this.at.core.close()
    const before = [...this.live]
    await this.open()
    this.live.clear()
    for (const member of before) this.live.add(member.in(this.at))
  }

  /** What members think they have; a member that crashed has nothing. */
  checkOwners(): void {
    const owners = new Map<string, string>()
    for (const { id, owned } of this.live) {
      for (const { topicId, partitions } of owned) {
        for (const partition of partitions) {
          const key = `${topicId}-${partition}`
          expect(owners.get(key), `${key} of ${id}`).toBeUndefined()
          owners.set(key, id)
        }
      }
    }
  }

  /** Everybody beats until nothing moves any more. */
  async settle(): Promise<void> {
    for (let round = 0; round < 60 && this.live.size > 0; round++) {
      for (const member of [...this.live]) await this.#beat(member)
      this.checkOwners()
      await this.clock.advance(500)
      if (round > 15 && this.at.groups.describe('g')!.state === 'Stable') return
    }
  }

  get memberIds(): string[] {
    return [...this.live].map(({ id }) => id).sort()
  }

  get partitions(): number {
    return this.#partitions
  }
}

test(`${MEMBERS} members come, go, crash and lose answers: no partition has two owners, and all end with their shares`, async () => {
  const seed = Number(process.env['SEED'] ?? (Math.random() * 2 ** 31) | 0)
  const churn = new Churn(seed)
  await churn.open()
  await addTopic(churn.at.core, 't', 40)
  await addTopic(churn.at.core, 'u', 20)
  try {
    for (let step = 0; step < STEPS; step++) {
      await churn.step()
      churn.checkOwners()
    }
    await churn.settle()
    const { state, members } = churn.at.groups.describeConsumerGroup('g')!
    expect([state, members.map(({ memberId }) => memberId).sort()]).toEqual(['Stable', churn.memberIds])
    const given = [...churn.live].flatMap(({ has }) => has)
    const wanted = churn.at.core.topics.filter(({ name }) => name.length === 1 && members.some(({ topicNames }) => topicNames.includes(name)))
    expect(given.length).toBe(wanted.reduce((sum, { partitions }) => sum + partitions, 0))
    for (const { topicNames, assigned } of members) for (const { topicName } of assigned) expect(topicNames).toContain(topicName)
    const stored = members.map(({ memberId, assigned }) => [memberId, assigned.map(({ topicId, partitions }) => ({ topicId, partitions }))])
    expect(stored).toEqual(members.map(({ memberId }) => [memberId, [...churn.live].find(({ id }) => id === memberId)!.owned]))
    console.log(`${members.length} members are left, SEED=${seed}`)
  } catch (error) {
    throw new Error(`SEED=${seed}`, { cause: error })
  }
})
