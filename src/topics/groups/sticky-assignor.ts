/*
 * The cooperative sticky assignor: balanced first, and then everybody keeps what can be kept. A partition that moves away from a member
 * that still owns it is given to nobody at first; its owner gives it back and joins again, and then it goes on to the new one.
 *
 * Goals and results are those of Kafka's CooperativeStickyAssignor; where subscriptions differ both end in a balance that no single move
 * improves, not always in the same one. The work is linear in members and partitions while subscriptions are equal.
 */
import { type AssignorMember, compareNames, type GroupAssignment } from './assignors.ts'

/** The partitions of all topics in a row: topics in the order of their names, each from `base` on. */
interface Partitions {
  readonly topics: readonly { readonly topic: string; readonly base: number; readonly count: number }[]
  readonly places: ReadonlyMap<string, { readonly base: number; readonly count: number }>
  readonly count: number
}

const NOBODY = -1

/** Shares partitions so that counts differ by one at most where subscriptions allow it, and members keep what they own. */
export function stickyAssignment(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  return stickyShares(members, counts, true)
}

/** The same, where somebody else sees to it that nobody is given what another one still owns: all partitions go to somebody. */
export function uniformAssignment(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  return stickyShares(members, counts, false)
}

function stickyShares(given: readonly AssignorMember[], counts: ReadonlyMap<string, number>, holdBack: boolean): GroupAssignment {
  const members = [...given].sort((a, b) => compareNames(a.memberId, b.memberId))
  const partitions = inARow(members, counts)
  const claimed = claims(members, partitions)
  const share = equalSubscriptions(members) ? sharedEqually : balanced
  const owners = share(members, partitions, claimed.owners)
  if (holdBack) for (let at = 0; at < owners.length; at++) if (isHeldByOther(claimed, at, owners[at]!)) owners[at] = NOBODY
  return assignmentOf(members, partitions, owners)
}

function inARow(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): Partitions {
  const names = [...new Set(members.flatMap(({ topics }) => topics))].filter((topic) => (counts.get(topic) ?? 0) > 0).sort(compareNames)
  const topics: Partitions['topics'][number][] = []
  let base = 0
  for (const topic of names) {
    const count = counts.get(topic)!
    topics.push({ topic, base, count })
    base += count
  }
  return { topics, places: new Map(topics.map((place) => [place.topic, place])), count: base }
}

interface Claims {
  /** By partition: the member with the best claim. */
  readonly owners: Int32Array
  /** By partition: a member that says it owns it, and whether more than one does. */
  readonly holders: Int32Array
  readonly shared: Uint8Array
}

/** The highest generation wins; what is claimed twice in it belongs to nobody. */
function claims(members: readonly AssignorMember[], { places, count }: Partitions): Claims {
  const [owners, holders] = [new Int32Array(count).fill(NOBODY), new Int32Array(count).fill(NOBODY)]
  const [best, shared] = [new Float64Array(count).fill(-Infinity), new Uint8Array(count)]
  members.forEach(({ owned, generation, topics }, member) => {
    const subscribed = owned.length === 0 ? undefined : new Set(topics)
    for (const { topic, partitions } of owned) {
      const place = places.get(topic)
      for (const partition of place === undefined ? [] : partitions) {
        if (!(partition >= 0 && partition < place!.count)) continue
        const at = place!.base + partition
        if (holders[at] !== NOBODY && holders[at] !== member) shared[at] = 1
        holders[at] = member
        if (!subscribed!.has(topic) || generation < best[at]!) continue
        owners[at] = generation === best[at] && owners[at] !== member ? NOBODY : member
        best[at] = generation
      }
    }
  })
  return { owners, holders, shared }
}

function isHeldByOther({ holders, shared }: Claims, at: number, member: number): boolean {
  return member !== NOBODY && holders[at] !== NOBODY && (holders[at] !== member || shared[at] === 1)
}

function equalSubscriptions(members: readonly AssignorMember[]): boolean {
  const first = new Set(members[0]?.topics)
  return members.every(({ topics }) => {
    const others = new Set(topics)
    return others.size === first.size && topics.every((topic) => first.has(topic))
  })
}

/** Everybody may have any: each keeps up to its share, and what is left goes round. */
function sharedEqually({ length: members }: readonly AssignorMember[], partitions: Partitions, claimed: Int32Array): Int32Array {
  const owners = new Int32Array(partitions.count).fill(NOBODY)
  const least = Math.floor(partitions.count / members)
  let withMore = partitions.count % members                  // how many members may have one more than `least`
  const counts = new Int32Array(members)
  const owned = byOwner(members, partitions, claimed)
  for (let member = 0; member < members; member++) {
    const list = owned[member]!
    const keep = list.length > least && withMore > 0 ? least + 1 : Math.min(list.length, least)
    if (keep > least) withMore--
    counts[member] = keep
    for (let index = 0; index < keep; index++) owners[list[index]!] = member
  }
  let under = Array.from(counts.keys()).filter((member) => counts[member]! < least)
  const exact: number[] = Array.from(counts.keys()).filter((member) => counts[member] === least)
  let turn = 0
  let next = 0
  for (let at = 0; at < owners.length; at++) {
    if (owners[at] !== NOBODY) continue
    if (turn === under.length) [under, turn] = [under.filter((member) => counts[member]! < least), 0]
    while (turn < under.length && counts[under[turn]!]! >= least) turn++
    if (turn < under.length) {
      const member = under[turn++]!
      owners[at] = member
      if (++counts[member]! === least) exact.push(member)
    } else {
      owners[at] = exact[next++]!
    }
  }
  return owners
}

/** What each member owns, by number and then by topic. */
function byOwner(members: number, { topics }: Partitions, claimed: Int32Array): number[][] {
  const owned: number[][] = Array.from({ length: members }, () => [])
  const most = topics.reduce((max, { count }) => Math.max(max, count), 0)
  let rest = [...topics]
  for (let partition = 0; partition < most; partition++) {
    rest = rest.filter(({ count }) => partition < count)
    for (const { base } of rest) if (claimed[base + partition] !== NOBODY) owned[claimed[base + partition]!]!.push(base + partition)
  }
  return owned
}

/** Subscriptions differ: topics that few may have go first, each partition to who has least; then single moves while one improves. */
function balanced(members: readonly AssignorMember[], partitions: Partitions, claimed: Int32Array): Int32Array {
  const owners = claimed.slice()
  const counts = new Int32Array(members.length)
  for (const owner of owners) if (owner !== NOBODY) counts[owner]!++
  const subscribers = new Map<string, number[]>(partitions.topics.map(({ topic }) => [topic, []]))
  members.forEach(({ topics }, member) => { for (const topic of new Set(topics)) subscribers.get(topic)?.push(member) })
  const topics = [...partitions.topics].sort((a, b) => subscribers.get(a.topic)!.length - subscribers.get(b.topic)!.length)
  for (const { topic, base, count } of topics) {
    const heap = new Fewest(subscribers.get(topic)!, counts)
    for (let at = base; at < base + count; at++) if (owners[at] === NOBODY) owners[at] = heap.takeOne()
  }
  for (let moved = true; moved; ) {
    moved = false
    for (const { topic, base, count } of topics) moved = evened(owners, base, count, subscribers.get(topic)!, counts) || moved
  }
  return owners
}

/** Moves partitions of one topic from who has most to who has least, while they differ by more than one. */
function evened(owners: Int32Array, base: number, count: number, subscribers: readonly number[], counts: Int32Array): boolean {
  if (subscribers.length < 2) return false
  const given = new Map<number, number[]>()
  for (let at = base; at < base + count; at++) {
    const list = given.get(owners[at]!)
    if (list === undefined) given.set(owners[at]!, [at])
    else list.push(at)
  }
  const givers = [...given.keys()].sort((a, b) => counts[b]! - counts[a]! || a - b)
  const heap = new Fewest(subscribers, counts)
  let moved = false
  for (const giver of givers) {
    const list = given.get(giver)!
    while (list.length > 0 && counts[giver]! - counts[heap.least]! > 1) {
      counts[giver]!--
      owners[list.pop()!] = heap.takeOne()
      moved = true
    }
  }
  return moved
}

/** A heap of members by how many partitions they have, then by their order. Counts of those in it grow by `takeOne`; others may fall. */
class Fewest {
  readonly #heap: number[]
  readonly #counts: Int32Array

  constructor(members: readonly number[], counts: Int32Array) {
    this.#counts = counts
    this.#heap = [...members].sort((a, b) => this.#compare(a, b))
  }

  get least(): number {
    return this.#heap[0]!
  }

  /** The member with the fewest partitions, which gets one more. */
  takeOne(): number {
    const heap = this.#heap
    const member = heap[0]!
    this.#counts[member]!++
    for (let at = 0; ; ) {
      let child = 2 * at + 1
      if (child >= heap.length) break
      if (child + 1 < heap.length && this.#compare(heap[child + 1]!, heap[child]!) < 0) child++
      if (this.#compare(heap[child]!, heap[at]!) >= 0) break
      const other = heap[at]!
      heap[at] = heap[child]!
      heap[child] = other
      at = child
    }
    return member
  }

  #compare(a: number, b: number): number {
    return this.#counts[a]! - this.#counts[b]! || a - b
  }
}

function assignmentOf(members: readonly AssignorMember[], { topics }: Partitions, owners: Int32Array): GroupAssignment {
  const result: { topic: string; partitions: number[] }[][] = members.map(() => [])
  for (const { topic, base, count } of topics) {
    for (let partition = 0; partition < count; partition++) {
      const owner = owners[base + partition]!
      if (owner === NOBODY) continue
      const last = result[owner]!.at(-1)
      if (last?.topic === topic) last.partitions.push(partition)
      else result[owner]!.push({ topic, partitions: [partition] })
    }
  }
  return new Map(members.map(({ memberId }, index) => [memberId, result[index]!]))
}
