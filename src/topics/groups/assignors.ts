/*
 * Who gets which partitions: pure functions from the members of a group and the sizes of topics to an assignment. The leader of a group
 * runs one of them; the coordinator passes the result on unread. The sticky one is in sticky-assignor.ts.
 *
 * Results are those of Kafka's assignors of the same names, and of the one that KafkaJS brings. Topics that nobody knows are left out.
 */
import { stickyAssignment } from './sticky-assignor.ts'

/** Partitions of one topic, by number. */
export interface TopicPartitions {
  readonly topic: string
  readonly partitions: readonly number[]
}

/** A member as an assignor sees it. */
export interface AssignorMember {
  readonly memberId: string
  readonly instanceId: string | null
  readonly topics: readonly string[]
  /** What it says it owns. */
  readonly owned: readonly TopicPartitions[]
  /** The generation in which it got them; −1 when it does not say. */
  readonly generation: number
}

/** What each member gets; every member is there. */
export type GroupAssignment = Map<string, TopicPartitions[]>

/** A way to share partitions. */
export interface Assignor {
  /** The name of the protocol: members of a group agree on one. */
  readonly name: AssignorName
  /** Members of an eager one give everything back before they are given anything; of a cooperative one only what goes to others. */
  readonly cooperative: boolean
  /** @param counts  how many partitions each topic has */
  assign(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment
}

/** The names of the assignors, in the order in which members in this process prefer them. */
export const assignorNames: readonly AssignorName[] = ['cooperative-sticky', 'range', 'roundrobin', 'RoundRobinAssigner']

/** The name of an assignor. */
export type AssignorName = 'cooperative-sticky' | 'range' | 'roundrobin' | 'RoundRobinAssigner'

/** The assignors by name. */
export const assignors: Readonly<Record<AssignorName, Assignor>> = {
  'cooperative-sticky': { name: 'cooperative-sticky', cooperative: true, assign: stickyAssignment },
  range: { name: 'range', cooperative: false, assign: rangeAssignment },
  roundrobin: { name: 'roundrobin', cooperative: false, assign: roundRobinAssignment },
  RoundRobinAssigner: { name: 'RoundRobinAssigner', cooperative: false, assign: kafkaJsAssignment },
}

/** The assignor of a name that a group agreed on; undefined for those of others. */
export function assignorOf(name: string): Assignor | undefined {
  return Object.hasOwn(assignors, name) ? assignors[name as AssignorName] : undefined
}

/** Orders names as Kafka does: by UTF-16 code units. */
export function compareNames(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** Per topic: neighbouring partitions to each of its subscribers, the first ones getting one more where it does not divide. */
function rangeAssignment(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  const result = emptyAssignment(members)
  const subscribers = new Map<string, AssignorMember[]>()
  for (const member of inOrder(members)) {
    for (const topic of new Set(member.topics)) {
      const list = subscribers.get(topic)
      if (list === undefined) subscribers.set(topic, [member])
      else list.push(member)
    }
  }
  for (const [topic, list] of [...subscribers].sort(([a], [b]) => compareNames(a, b))) {
    const count = counts.get(topic) ?? 0
    const [share, more] = [Math.floor(count / list.length), count % list.length]
    for (let index = 0, from = 0; index < list.length && from < count; index++) {
      const to = from + share + (index < more ? 1 : 0)
      result.get(list[index]!.memberId)!.push({ topic, partitions: Array.from({ length: to - from }, (_, at) => from + at) })
      from = to
    }
  }
  return result
}

/** All partitions of all topics in a row, one to each member in turn; a turn that falls to one who did not subscribe goes to the next. */
function roundRobinAssignment(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  return inTurns(inOrder(members), counts)
}

/** As KafkaJS does it: by member id alone. */
function kafkaJsAssignment(members: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  return inTurns([...members].sort((a, b) => compareNames(a.memberId, b.memberId)), counts)
}

function inTurns(ring: readonly AssignorMember[], counts: ReadonlyMap<string, number>): GroupAssignment {
  const result = emptyAssignment(ring)
  const subscribed = ring.map(({ topics }) => new Set(topics))
  const given = ring.map(() => new Map<string, number[]>())
  const topics = new Set(ring.flatMap((member) => member.topics))
  let turn = 0
  for (const topic of [...topics].sort(compareNames)) {
    const count = counts.get(topic) ?? 0
    for (let partition = 0; partition < count; partition++) {
      while (!subscribed[turn]!.has(topic)) turn = (turn + 1) % ring.length
      const list = given[turn]!.get(topic)
      if (list === undefined) given[turn]!.set(topic, [partition])
      else list.push(partition)
      turn = (turn + 1) % ring.length
    }
  }
  ring.forEach(({ memberId }, index) => {
    for (const [topic, partitions] of given[index]!) result.get(memberId)!.push({ topic, partitions })
  })
  return result
}

/** Static members first, by their instance; the others by member id. */
function inOrder(members: readonly AssignorMember[]): AssignorMember[] {
  return [...members].sort((a, b) => {
    if (a.instanceId !== null && b.instanceId !== null) return compareNames(a.instanceId, b.instanceId)
    if (a.instanceId !== null || b.instanceId !== null) return a.instanceId !== null ? -1 : 1
    return compareNames(a.memberId, b.memberId)
  })
}

function emptyAssignment(members: readonly AssignorMember[]): GroupAssignment {
  return new Map(members.map(({ memberId }) => [memberId, []]))
}
