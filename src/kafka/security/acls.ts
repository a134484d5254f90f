/*
 * ACLs as values: who may or may not do what, on which resources, from where; and the filters that find them. Names are Kafka's, numbers are
 * those of its protocol. Spec: Kafka's security page on authorization and ACLs; KIP-290 for prefixed patterns and MATCH.
 */
import { checkOneOf, checkOptions, describe } from '../../base/options.ts'
import { int8, string, type StructOut } from '../../format/schema.ts'
import { operationCodes } from '../authorized-operations.ts'
import { CLUSTER_RESOURCE, type Operation, type ResourceType } from './authorizer.ts'

/** How the resource name of an ACL is meant: as it is (`*` being every name), or as the beginning of names. */
export type PatternType = 'LITERAL' | 'PREFIXED'

/** One rule. */
export interface Acl {
  readonly resourceType: ResourceType
  /** `*` in a literal pattern is every resource of the type. */
  readonly resourceName: string
  readonly patternType: PatternType
  /** `User:alice`; `User:*` is everybody. */
  readonly principal: string
  /** An address, or `*` for every one. */
  readonly host: string
  readonly operation: Operation | 'ALL'
  readonly permissionType: 'ALLOW' | 'DENY'
}

/** One rule as options take it: a literal pattern, from everywhere, that allows, unless it says otherwise. */
export type AclInput = Omit<Acl, 'patternType' | 'host' | 'permissionType'> & Partial<Pick<Acl, 'patternType' | 'host' | 'permissionType'>>

/** The name that stands for every resource, principal and host. */
export const WILDCARD = '*'

/** Numbers of the kinds of resources. */
const resourceTypeCodes: { readonly [Name in ResourceType]: number } = {
  TOPIC: 2, GROUP: 3, CLUSTER: 4, TRANSACTIONAL_ID: 5, DELEGATION_TOKEN: 6, USER: 7,
}
/** Numbers of the kinds of patterns that an ACL has. */
const patternTypeCodes: { readonly [Name in PatternType]: number } = { LITERAL: 3, PREFIXED: 4 }
/** Numbers of what an ACL does. */
const permissionTypeCodes: { readonly [Name in Acl['permissionType']]: number } = { DENY: 2, ALLOW: 3 }
/** Numbers of operations, with the one that is all of them. */
const aclOperationCodes: { readonly [Name in Acl['operation']]: number } = { ALL: 2, ...operationCodes }

/** Numbers with a meaning of their own in filters; what has no name at all is treated as UNKNOWN. */
const UNKNOWN = 0
const ANY = 1
const MATCH = 2

/** An ACL as the protocol numbers it. */
export interface AclNumbers {
  readonly resourceType: number
  readonly resourceName: string
  readonly patternType: number
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permissionType: number
}

/** The same with numbers for names. */
export function aclNumbers(acl: Acl): AclNumbers {
  return {
    resourceType: resourceTypeCodes[acl.resourceType],
    resourceName: acl.resourceName,
    patternType: patternTypeCodes[acl.patternType],
    principal: acl.principal,
    host: acl.host,
    operation: aclOperationCodes[acl.operation],
    permissionType: permissionTypeCodes[acl.permissionType],
  }
}

const resourceTypes = namesOf(resourceTypeCodes)
const patternTypes = namesOf(patternTypeCodes)
const permissionTypes = namesOf(permissionTypeCodes)
const operations = namesOf(aclOperationCodes)

/** The ACL that these numbers are, or the words in which Kafka says why they are none. */
export function aclOf(given: AclNumbers): Acl | string {
  const { resourceName, principal, host } = given
  if (given.resourceType === resourceTypeCodes.CLUSTER && resourceName !== CLUSTER_RESOURCE) {
    return `The only valid name for the CLUSTER resource is ${CLUSTER_RESOURCE}`
  }
  if (resourceName === '') return 'Invalid empty resource name'
  const resourceType = resourceTypes.get(given.resourceType)
  if (resourceType === undefined) return `Invalid resourceType ${specialName(given.resourceType)}`
  const patternType = patternTypes.get(given.patternType)
  if (patternType === undefined) return `Invalid patternType ${given.patternType === MATCH ? 'MATCH' : specialName(given.patternType)}`
  const operation = operations.get(given.operation)
  if (operation === undefined) return `Invalid operation ${specialName(given.operation)}`
  const permissionType = permissionTypes.get(given.permissionType)
  if (permissionType === undefined) return `Invalid permissionType ${specialName(given.permissionType)}`
  return principalProblem(principal) ?? { resourceType, resourceName, patternType, principal, host, operation, permissionType }
}

function principalProblem(principal: string): string | undefined {
  if (principal.includes(':')) return undefined
  return `Could not parse principal from \`${principal}\` (no colon is present separating the principal type from the principal name)`
}

function specialName(code: number): string {
  return code === ANY ? 'ANY' : 'UNKNOWN'
}

const aclNames = ['resourceType', 'resourceName', 'patternType', 'principal', 'host', 'operation', 'permissionType']

/**
 * An ACL as options gave it.
 *
 * @throws TypeError when it is none
 */
export function checkedAcl(given: AclInput, where: string): Acl {
  checkOptions(given, aclNames, where)
  const { resourceType, resourceName, principal, operation, patternType = 'LITERAL', host = WILDCARD, permissionType = 'ALLOW' } = given
  checkText(resourceName, `resourceName of ${where}`)
  checkText(principal, `principal of ${where}`)
  checkText(host, `host of ${where}`)
  checkName(resourceType, `resourceType of ${where}`, resourceTypes)
  checkName(patternType, `patternType of ${where}`, patternTypes)
  checkName(operation, `operation of ${where}`, operations)
  checkName(permissionType, `permissionType of ${where}`, permissionTypes)
  const acl = aclOf(aclNumbers({ resourceType, resourceName, patternType, principal, host, operation, permissionType }))
  if (typeof acl === 'string') throw new TypeError(`${where}: ${acl}`)
  return acl
}

function checkText(value: unknown, name: string): void {
  if (typeof value !== 'string' || value === '') throw new TypeError(`${name} is a string that is not empty, not ${describe(value)}`)
}

function checkName(value: unknown, name: string, names: ReadonlyMap<number, string>): void {
  if (value === undefined) throw new TypeError(`${name} is missing: it is one of ${[...names.values()].join(', ')}`)
  checkOneOf(value, name, [...names.values()])
}

/* ---- filters ---- */

/** What finds ACLs. Null is every name, principal or host; ANY (1) is every type, operation or permission. */
export interface AclFilter {
  readonly resourceType: number
  readonly resourceName: string | null
  /** MATCH (2) finds all patterns that a resource of that name falls under. */
  readonly patternType: number
  readonly principal: string | null
  readonly host: string | null
  readonly operation: number
  readonly permissionType: number
}

/** A filter as requests have it; versions are those of DescribeAcls and DeleteAcls. */
export const aclFilterFields = {
  resourceTypeFilter: int8(),
  resourceNameFilter: string({ nullable: 0 }),
  patternTypeFilter: int8({ since: 1, default: patternTypeCodes.LITERAL }),
  principalFilter: string({ nullable: 0 }),
  hostFilter: string({ nullable: 0 }),
  operation: int8(),
  permissionType: int8(),
}

/** A filter of a request. */
export type AclFilterFields = StructOut<typeof aclFilterFields>

/** The filter that a request has. */
export function filterOf(given: AclFilterFields): AclFilter {
  const { resourceTypeFilter: resourceType, resourceNameFilter: resourceName, patternTypeFilter: patternType } = given
  const { principalFilter: principal, hostFilter: host, operation, permissionType } = given
  return { resourceType, resourceName, patternType, principal, host, operation, permissionType }
}

/** Which half of a filter has a number that nobody knows, in Kafka's words; undefined when all is well. */
export function unknownIn({ resourceType, patternType, operation, permissionType }: AclFilter): string | undefined {
  if (isUnknown(resourceType, resourceTypes) || (patternType !== MATCH && isUnknown(patternType, patternTypes))) return 'Unknown patternFilter.'
  if (isUnknown(operation, operations) || isUnknown(permissionType, permissionTypes)) return 'Unknown entryFilter.'
  return undefined
}

/** Whether a filter says UNKNOWN outright, which no client may. */
export function saysUnknown({ resourceType, patternType, operation, permissionType }: AclFilter): boolean {
  return resourceType === UNKNOWN || patternType === UNKNOWN || operation === UNKNOWN || permissionType === UNKNOWN
}

function isUnknown(code: number, names: ReadonlyMap<number, string>): boolean {
  return code !== ANY && !names.has(code)
}

/** Whether a filter finds an ACL. */
export function matches(filter: AclFilter, acl: AclNumbers): boolean {
  return matchesPattern(filter, acl)
    && (filter.principal === null || filter.principal === acl.principal)
    && (filter.host === null || filter.host === acl.host)
    && (filter.operation === ANY || filter.operation === acl.operation)
    && (filter.permissionType === ANY || filter.permissionType === acl.permissionType)
}

function matchesPattern(filter: AclFilter, acl: AclNumbers): boolean {
  const { resourceName: name, patternType } = filter
  if (filter.resourceType !== ANY && filter.resourceType !== acl.resourceType) return false
  if (patternType !== ANY && patternType !== MATCH && patternType !== acl.patternType) return false
  if (name === null) return true
  if (patternType !== MATCH) return name === acl.resourceName
  if (acl.patternType === patternTypeCodes.PREFIXED) return name.startsWith(acl.resourceName)
  return name === acl.resourceName || acl.resourceName === WILDCARD
}

function namesOf<Name extends string>(codes: { readonly [K in Name]: number }): ReadonlyMap<number, Name> {
  return new Map(Object.entries<number>(codes).map(([name, code]) => [code, name as Name]))
}
