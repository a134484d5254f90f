/*
 * Decides by ACLs as Kafka's StandardAuthorizer does. What any ACL denies is denied; else what one allows is allowed; else it is denied, or left
 * to `allowEveryoneIfNoAclFound` where no ACL is about the resource at all. An ACL that allows to read, write, delete or alter allows to
 * describe, one that allows to alter configs allows to describe them; one that denies them implies nothing.
 *
 * ACLs that clients made are kept with the log; those of the options hold from every start on.
 */
import { type Peer } from '../peer.ts'
import { type Acl, type AclFilter, type AclNumbers, aclNumbers, aclOf, matches, WILDCARD } from './acls.ts'
import { plainAddress } from './addresses.ts'
import { type Authorizer, type Operation, type ResourceType } from './authorizer.ts'
import { type KeptValue } from './kept.ts'

/** What ACLs are decided by. */
export interface AclRules {
  /** Principals (`User:admin`) that may do everything. */
  readonly superUsers: readonly string[]
  /** What holds for a resource that no ACL is about. */
  readonly allowEveryoneIfNoAclFound: boolean
  /** In force from the start on. */
  readonly acls: readonly Acl[]
}

/** What is kept of an ACL: as the protocol numbers it. */
type KeptAcl = readonly [
  resourceType: number, resourceName: string, patternType: number, principal: string, host: string, operation: number, permissionType: number,
]

/** ACLs of one kind of resource, by how they name it. */
interface Section {
  readonly literal: Map<string, Acl[]>
  readonly prefixed: Map<string, Acl[]>
  /** Lengths of prefixes, so that only those are looked for. */
  readonly lengths: Set<number>
}

/** Decides by ACLs. */
export class AclAuthorizer implements Authorizer {
  readonly #rules: AclRules
  readonly #superUsers: ReadonlySet<string>
  readonly #kept: KeptValue
  /** Those of the options, but for those that a client took out; by identity: the same ACL made twice is one. */
  #given: ReadonlyMap<string, Acl>
  /** What was kept when the others were made out of it: another listener of the log may change it too. */
  #seen: unknown
  #acls: ReadonlyMap<string, Acl> = new Map()
  #sections: ReadonlyMap<ResourceType, Section> = new Map()

  /** @param kept  where ACLs that clients make are kept */
  constructor(rules: AclRules, kept: KeptValue) {
    this.#rules = rules
    this.#superUsers = new Set(rules.superUsers)
    this.#kept = kept
    this.#given = byIdentity(rules.acls)
    this.#refresh()
  }

  allows(peer: Peer, operation: Operation, type: ResourceType, name: string): boolean {
    const principal = `${peer.principal.type}:${peer.principal.name}`
    if (this.#superUsers.has(principal)) return true
    this.#look()
    const asked: Asked = { principal, host: plainAddress(peer.host), operation }
    const verdict = new Verdict()
    const section = this.#sections.get(type)
    if (section !== undefined) {
      verdict.consider(section.literal.get(name), asked)
      if (name !== WILDCARD) verdict.consider(section.literal.get(WILDCARD), asked)
      for (const length of section.lengths) {
        if (length <= name.length) verdict.consider(section.prefixed.get(name.slice(0, length)), asked)
      }
    }
    if (verdict.denied) return false
    return verdict.allowed || (!verdict.found && this.#rules.allowEveryoneIfNoAclFound)
  }

  /** As `Authorizer.authorizeByResourceType` of Kafka: implied operations do not count, and a denied prefix denies what begins with it. */
  allowsAny(peer: Peer, operation: Operation, type: ResourceType): boolean {
    if (this.allows(peer, operation, type, 'hardcode')) return true
    const asked: Asked = { principal: `${peer.principal.type}:${peer.principal.name}`, host: plainAddress(peer.host), operation }
    const about = [...this.#acls.values()].filter((acl) => acl.resourceType === type && concerns(acl, asked) && isFor(acl, operation))
    const denied = about.filter(({ permissionType }) => permissionType === 'DENY')
    if (denied.some(({ patternType, resourceName }) => patternType === 'LITERAL' && resourceName === WILDCARD)) return false
    return about.some((acl) => acl.permissionType === 'ALLOW' && !denied.some((other) => outweighs(other, acl)))
  }

  /** The ACLs that a filter finds, in the order of what they are about. */
  find(filter: AclFilter): readonly Acl[] {
    this.#look()
    return [...this.#acls.values()].filter((acl) => matches(filter, aclNumbers(acl))).sort(byResource)
  }

  /** Adds ACLs, durably. Those that are there already stay as they are. */
  add(acls: readonly Acl[]): Promise<void> {
    return this.#change((all) => {
      for (const acl of acls) all.set(identity(acl), acl)
    })
  }

  /** Takes ACLs out, durably. Those of the options are back when the log is listened on again. */
  remove(acls: readonly Acl[]): Promise<void> {
    return this.#change((all) => {
      for (const acl of acls) all.delete(identity(acl))
    })
  }

  /** What is kept comes first: nobody is told of an ACL that a crash could take back. */
  async #change(edit: (all: Map<string, Acl>) => void): Promise<void> {
    await this.#kept.change((value) => {
      const all = byIdentity(keptAcls(value))
      edit(all)
      return [...all].filter(([id]) => !this.#given.has(id)).map(([, acl]) => keptForm(acl))
    })
    const given = new Map(this.#given)
    edit(given)
    this.#given = new Map([...given].filter(([id]) => this.#given.has(id)))
    this.#refresh()
  }

  /** Follows what is kept. */
  #look(): void {
    if (this.#kept.get() !== this.#seen) this.#refresh()
  }

  #refresh(): void {
    this.#seen = this.#kept.get()
    this.#acls = new Map([...this.#given, ...byIdentity(keptAcls(this.#seen))])
    this.#sections = sectionsOf(this.#acls.values())
  }
}

function byIdentity(acls: readonly Acl[]): Map<string, Acl> {
  return new Map(acls.map((acl) => [identity(acl), acl]))
}

/** Who asks for what. */
interface Asked {
  readonly principal: string
  readonly host: string
  readonly operation: Operation
}

/** What the ACLs of a resource come to. */
class Verdict {
  found = false
  allowed = false
  denied = false

  consider(acls: readonly Acl[] | undefined, asked: Asked): void {
    if (acls === undefined || this.denied) return
    this.found = true
    for (const acl of acls) {
      if (!concerns(acl, asked) || !covers(acl, asked.operation)) continue
      if (acl.permissionType === 'ALLOW') this.allowed = true
      else this.denied = true
    }
  }
}

function concerns({ principal, host }: Acl, asked: Asked): boolean {
  return (principal === asked.principal || principal === 'User:*') && (host === WILDCARD || plainAddress(host) === asked.host)
}

const describing: ReadonlySet<string> = new Set(['DESCRIBE', 'READ', 'WRITE', 'DELETE', 'ALTER'])
const describingConfigs: ReadonlySet<string> = new Set(['DESCRIBE_CONFIGS', 'ALTER_CONFIGS'])

function covers(acl: Acl, asked: Operation): boolean {
  if (acl.permissionType === 'ALLOW' && asked === 'DESCRIBE' && describing.has(acl.operation)) return true
  if (acl.permissionType === 'ALLOW' && asked === 'DESCRIBE_CONFIGS' && describingConfigs.has(acl.operation)) return true
  return isFor(acl, asked)
}

function isFor({ operation }: Acl, asked: Operation): boolean {
  return operation === asked || operation === 'ALL'
}

/** Whether everything that `allow` is about is denied. */
function outweighs(deny: Acl, allow: Acl): boolean {
  if (deny.patternType === 'PREFIXED') return allow.resourceName !== WILDCARD && allow.resourceName.startsWith(deny.resourceName)
  return allow.patternType === 'LITERAL' && allow.resourceName === deny.resourceName
}

function sectionsOf(acls: Iterable<Acl>): ReadonlyMap<ResourceType, Section> {
  const sections = new Map<ResourceType, Section>()
  for (const acl of acls) {
    let section = sections.get(acl.resourceType)
    if (section === undefined) sections.set(acl.resourceType, (section = { literal: new Map(), prefixed: new Map(), lengths: new Set() }))
    const names = acl.patternType === 'LITERAL' ? section.literal : section.prefixed
    const same = names.get(acl.resourceName)
    if (same === undefined) names.set(acl.resourceName, [acl])
    else same.push(acl)
    if (acl.patternType === 'PREFIXED') section.lengths.add(acl.resourceName.length)
  }
  return sections
}

function identity(acl: Acl): string {
  return JSON.stringify(keptForm(acl))
}

function keptForm(acl: Acl): KeptAcl {
  const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = aclNumbers(acl)
  return [resourceType, resourceName, patternType, principal, host, operation, permissionType]
}

/** What a newer version kept and this one does not understand is left out: it denies or allows nothing that is known. */
function keptAcls(value: unknown): Acl[] {
  const list = Array.isArray(value) ? (value as unknown[]) : []
  return list.map(keptAcl).filter((acl) => acl !== undefined)
}

function keptAcl(item: unknown): Acl | undefined {
  if (!Array.isArray(item)) return undefined
  const [resourceType, resourceName, patternType, principal, host, operation, permissionType] = item as unknown as KeptAcl
  if (![resourceName, principal, host].every((text) => typeof text === 'string')) return undefined
  const given: AclNumbers = { resourceType, resourceName, patternType, principal, host, operation, permissionType }
  const acl = aclOf(given)
  return typeof acl === 'string' ? undefined : acl
}

/** The order in which they are shown: kind of resource, name, pattern, operation, principal, host, permission. */
function byResource(a: Acl, b: Acl): number {
  const [left, right] = [aclNumbers(a), aclNumbers(b)]
  return left.resourceType - right.resourceType || compare(left.resourceName, right.resourceName) || left.patternType - right.patternType
    || left.operation - right.operation || compare(left.principal, right.principal) || compare(left.host, right.host)
    || left.permissionType - right.permissionType
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
