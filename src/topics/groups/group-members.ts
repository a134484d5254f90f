/*
 * The members of one group as its coordinator keeps them: who is there, who waits for what, and which protocol all of them could agree on.
 * What happens when is said in classic-group.ts.
 */
import { type Deadline } from './deadlines.ts'
import { type GroupProtocol, type JoinAnswer, type JoinRequest, type LocalMember, type MemberDescription, type SyncAnswer } from './group-messages.ts'

const NOTHING = Buffer.alloc(0)

/** One member. */
export interface Member {
  memberId: string
  readonly groupInstanceId: string | null
  clientId: string
  clientHost: string
  sessionTimeoutMs: number
  rebalanceTimeoutMs: number
  protocols: readonly GroupProtocol[]
  assignment: Buffer
  /** In this process. */
  local: LocalMember | undefined
  /** It joined for the first time and has not got its answer yet: it may take long before it hears of us. */
  isNew: boolean
  /** It waits for the answer to its join, or to its sync. */
  joining: ((answer: JoinAnswer) => void) | undefined
  syncing: ((answer: SyncAnswer) => void) | undefined
  /** When it is gone unless it says something. */
  session: Deadline | undefined
}

/** A member from its first join. */
export function newMember(memberId: string, request: JoinRequest): Member {
  return {
    memberId, groupInstanceId: request.groupInstanceId ?? null, clientId: request.clientId, clientHost: request.clientHost,
    sessionTimeoutMs: request.sessionTimeoutMs, rebalanceTimeoutMs: request.rebalanceTimeoutMs, protocols: request.protocols,
    assignment: NOTHING, local: request.local, isNew: true, joining: undefined, syncing: undefined, session: undefined,
  }
}

/** What a member says in a protocol; nothing where it does not offer it. */
export function metadataOf({ protocols }: Member, name: string | null): Buffer {
  return protocols.find((protocol) => protocol.name === name)?.metadata ?? NOTHING
}

/** Whether a member offers the same as before, in the same order. */
export function offersSame({ protocols }: Member, others: readonly GroupProtocol[]): boolean {
  return protocols.length === others.length &&
    protocols.every(({ name, metadata }, index) => name === others[index]!.name && metadata.equals(others[index]!.metadata))
}

/** A member as it is described while the group is stable, or with what it was given last. */
export function describeMember(member: Member, protocol: string | null, stable: boolean): MemberDescription {
  const { memberId, groupInstanceId, clientId, clientHost, assignment } = member
  return {
    memberId, groupInstanceId, clientId, clientHost,
    metadata: stable ? metadataOf(member, protocol) : NOTHING, assignment,
  }
}

/** The members of one group. */
export class Members {
  readonly #byId = new Map<string, Member>()
  readonly #statics = new Map<string, string>()
  /** How many members offer a protocol. */
  readonly #offers = new Map<string, number>()
  /** Members that were given an id and did not come back with it yet. */
  readonly pending = new Map<string, Deadline>()

  get size(): number {
    return this.#byId.size
  }

  /** Names of protocols that somebody offers. */
  get offered(): number {
    return this.#offers.size
  }

  /** In the order in which they came. */
  all(): Iterable<Member> {
    return this.#byId.values()
  }

  get(memberId: string): Member | undefined {
    return this.#byId.get(memberId)
  }

  /** The id of the member of an instance. */
  ofInstance(groupInstanceId: string): string | undefined {
    return this.#statics.get(groupInstanceId)
  }

  add(member: Member): void {
    this.#byId.set(member.memberId, member)
    if (member.groupInstanceId !== null) this.#statics.set(member.groupInstanceId, member.memberId)
    this.#count(member.protocols, 1)
  }

  remove(member: Member): void {
    this.#byId.delete(member.memberId)
    const { groupInstanceId } = member
    if (groupInstanceId !== null && this.#statics.get(groupInstanceId) === member.memberId) this.#statics.delete(groupInstanceId)
    this.#count(member.protocols, -1)
    member.session?.cancel()
  }

  /** A static member came back by another id. */
  rename(member: Member, memberId: string): void {
    this.#byId.delete(member.memberId)
    member.memberId = memberId
    this.#byId.set(memberId, member)
    this.#statics.set(member.groupInstanceId!, memberId)
  }

  /** A member offers other protocols now. */
  offer(member: Member, protocols: readonly GroupProtocol[]): void {
    this.#count(member.protocols, -1)
    this.#count(protocols, 1)
    member.protocols = protocols
  }

  /** Whether some protocol of these is one that all members offer. */
  support(protocols: readonly GroupProtocol[]): boolean {
    return protocols.some(({ name }) => (this.#offers.get(name) ?? 0) === this.#byId.size)
  }

  /** The protocol that most members prefer of those that all offer; of equal ones the one that was named first. */
  choose(): string | null {
    const votes = new Map<string, number>()
    for (const { protocols } of this.#byId.values()) {
      const vote = protocols.find(({ name }) => this.#offers.get(name) === this.#byId.size)?.name
      if (vote !== undefined) votes.set(vote, (votes.get(vote) ?? 0) + 1)
    }
    let best: string | null = null
    for (const [name, count] of votes) if (best === null || count > votes.get(best)!) best = name
    return best
  }

  #count(protocols: readonly GroupProtocol[], by: number): void {
    for (const name of new Set(protocols.map((protocol) => protocol.name))) {
      const count = (this.#offers.get(name) ?? 0) + by
      if (count > 0) this.#offers.set(name, count)
      else this.#offers.delete(name)
    }
  }
}
