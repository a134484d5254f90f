/*
 * Quotas of clients: which may be set, and which of those that were set are asked for. They are kept and shown, and hold nobody back. Spec:
 * KIP-546; the rules are those of Kafka's controller.
 */
import { isIP } from 'node:net'
import { type Json } from '../format/cluster-settings.ts'
import { type ClusterFile } from './cluster-file.ts'
import { duplicates } from './named-topics.ts'
import { NO_REFUSAL, type Refusal, refusal } from './refusal.ts'

/** A part of who a quota is for; null is whoever has none of their own. */
export interface QuotaEntity {
  readonly entityType: string
  readonly entityName: string | null
}

/** Quotas of one who they are for. */
export interface QuotaEntry {
  readonly entity: readonly QuotaEntity[]
  readonly values: readonly { readonly key: string; readonly value: number }[]
}

/** Which quotas are asked for. */
export interface QuotaFilter {
  readonly components: readonly { readonly entityType: string; readonly matchType: number; readonly match: string | null }[]
  /** Nothing else may be part of who a quota is for. */
  readonly strict: boolean
}

/** What is to be changed for one who quotas are for. */
export interface QuotaChange {
  readonly entity: readonly QuotaEntity[]
  readonly ops: readonly { readonly key: string; readonly value: number; readonly remove: boolean }[]
}

const EXACT = 0
const DEFAULT = 1
const SPECIFIED = 2
const USER = 'user'
const CLIENT_ID = 'client-id'
const IP = 'ip'
const INT_MAX = 0x7fff_ffff
const LONG_MAX = 2 ** 63

/** What kind of number a quota is. */
type QuotaType = 'INT' | 'LONG' | 'DOUBLE'
/** In the order in which Kafka tells those of one who they are for; clients compare whole answers. */
const ofUsers: ReadonlyMap<string, QuotaType> = new Map([
  ['consumer_byte_rate', 'LONG'], ['controller_mutation_rate', 'DOUBLE'], ['request_percentage', 'DOUBLE'], ['producer_byte_rate', 'LONG'],
])
const ofAddresses: ReadonlyMap<string, QuotaType> = new Map([['connection_creation_rate', 'INT']])

/** Why quotas cannot be asked for so; undefined when they can. */
export function wrongFilter({ components }: QuotaFilter): Refusal | undefined {
  const wrong = (reason: string): Refusal => refusal('INVALID_REQUEST', reason)
  const seen = new Set<string>()
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') return wrong('Invalid empty entity type.')
    if (seen.has(entityType)) return wrong(`Entity type ${entityType} cannot appear more than once in the filter.`)
    if (![USER, CLIENT_ID, IP].includes(entityType)) return refusal('UNSUPPORTED_VERSION', `Unsupported entity type ${entityType}`)
    if (matchType < EXACT || matchType > SPECIFIED) return wrong(`Unknown match type ${matchType}`)
    if (matchType === EXACT && match === null) return wrong('Request specified MATCH_TYPE_EXACT, but set match string to null.')
    if (matchType !== EXACT && match !== null) {
      return wrong(`Request specified MATCH_TYPE_${matchType === DEFAULT ? 'DEFAULT' : 'SPECIFIED'}, but also specified a match string.`)
    }
    seen.add(entityType)
  }
  if (!seen.has(IP) || seen.size === 1) return undefined
  const alone = 'IP filter component should not be used with user or clientId filter component.'
  return wrong(`Invalid entity filter component combination. ${alone}`)
}

/** The quotas that a filter means, which was checked. */
export function matchingQuotas(kept: ClusterFile, { components, strict }: QuotaFilter): QuotaEntry[] {
  // Kafka's own: nothing can match nothing strictly.
  return parse(kept.get('quotas')).filter(({ entity }) => (!strict || entity.length === components.length) &&
    components.every(({ entityType, matchType, match }) => {
      const part = entity.find((one) => one.entityType === entityType)
      return part !== undefined && (matchType === SPECIFIED || part.entityName === match)
    }))
}

/**
 * Changes quotas, each by itself; gives what is said of each. Who is named twice is told so, once, and has what was asked first: no client of
 * Kafka's own can ask so.
 */
export async function alterQuotas(kept: ClusterFile, changes: readonly QuotaChange[], validateOnly: boolean): Promise<AlteredQuota[]> {
  const keys = changes.map(({ entity }) => entityKey(entity))
  const twice = duplicates(keys)
  const seen = new Set<string>()
  const firsts = changes.filter((_, index) => seen.size < seen.add(keys[index]!).size)
  const judged = firsts.map((change) => ({ change, wrong: wrongChange(change) }))
  const accepted = judged.filter(({ wrong }) => wrong === undefined).map(({ change }) => change)
  if (!validateOnly && accepted.length > 0) await kept.change('quotas', (section) => applied(parse(section), accepted))
  return judged.map(({ change: { entity }, wrong }) => ({
    entity: sorted(entity), ...(wrong ?? (twice.has(entityKey(entity)) ? duplicateEntity(entity) : NO_REFUSAL)),
  }))
}

/** What is said of one who quotas are for. */
export type AlteredQuota = Refusal & { readonly entity: readonly QuotaEntity[] }

function applied(entries: readonly QuotaEntry[], changes: readonly QuotaChange[]): Json | undefined {
  const all = new Map(entries.map((entry) => [entityKey(entry.entity), entry]))
  for (const { entity, ops } of changes) {
    const key = entityKey(entity)
    const values = new Map((all.get(key)?.values ?? []).map(({ key: name, value }) => [name, value]))
    for (const { key: name, value, remove } of ops) {
      if (remove) values.delete(name)
      else values.set(name, value)
    }
    if (values.size === 0) all.delete(key)
    else all.set(key, { entity: sorted(entity), values: ordered(values) })
  }
  return all.size === 0 ? undefined : written([...all.values()])
}

function ordered(values: ReadonlyMap<string, number>): QuotaEntry['values'] {
  const keys = [...ofUsers.keys(), ...ofAddresses.keys()]
  return Array.from(values, ([key, value]) => ({ key, value })).sort((one, other) => keys.indexOf(one.key) - keys.indexOf(other.key))
}

function wrongChange({ entity, ops }: QuotaChange): Refusal | undefined {
  if (duplicates(ops.map(({ key }) => key)).size > 0) return duplicateEntity(entity)
  const reason = wrongEntity(entity) ?? wrongOps(entity, ops)
  return reason === undefined ? undefined : refusal('INVALID_REQUEST', reason)
}

function duplicateEntity(entity: readonly QuotaEntity[]): Refusal {
  const names = sorted(entity).map(({ entityType, entityName }) => `${entityType}=${entityName}`).join(', ')
  return refusal('INVALID_REQUEST', `Ignoring duplicate entity ClientQuotaEntity(entries={${names}})`)
}

function wrongEntity(entity: readonly QuotaEntity[]): string | undefined {
  if (entity.length === 0) return 'Invalid empty client quota entity'
  for (const { entityType, entityName } of entity) {
    if (![USER, CLIENT_ID, IP].includes(entityType)) return `Unhandled client quota entity type: ${entityType}`
    if (entityName === '') return `Empty ${entityType} not supported`
  }
  const address = entity.find(({ entityType }) => entityType === IP)
  if (address === undefined) return undefined
  if (entity.length > 1) return 'Invalid quota entity combination, IP entity shouldnot be combined with User or ClientId'
  const name = address.entityName
  return name === null || isIP(name) > 0 || /^[a-zA-Z0-9.-]+$/.test(name) ? undefined : `${name} is not a valid IP or resolvable host.`
}

function wrongOps(entity: readonly QuotaEntity[], ops: QuotaChange['ops']): string | undefined {
  const known = entity.some(({ entityType }) => entityType === IP) ? ofAddresses : ofUsers
  for (const { key, value, remove } of ops) {
    const type = known.get(key)
    if (remove) continue
    if (type === undefined) return `Invalid configuration key ${key}`
    if (value <= 0) return `Quota ${key} must be greater than 0`
    // A number that is none would hold nobody back, and JSON cannot say it.
    if (!Number.isFinite(value) && type === 'DOUBLE') return `Quota ${key} must be a number`
    if (type === 'DOUBLE') continue
    if (value > (type === 'INT' ? INT_MAX : LONG_MAX)) return `Proposed value for ${key} is too large for ${type === 'INT' ? 'an INT' : 'a LONG'}.`
    if (!Number.isInteger(value)) return `${key} cannot be a fractional value.`
  }
  return undefined
}

function sorted(entity: readonly QuotaEntity[]): readonly QuotaEntity[] {
  // A type that is named twice counts the last time, as in a map.
  const byType = new Map(entity.map((part) => [part.entityType, part]))
  return [...byType.values()].sort((one, other) => (one.entityType < other.entityType ? -1 : 1))
}

function entityKey(entity: readonly QuotaEntity[]): string {
  return JSON.stringify(sorted(entity).map(({ entityType, entityName }) => [entityType, entityName]))
}

function parse(section: Json | undefined): readonly QuotaEntry[] {
  return (section ?? []) as unknown as readonly QuotaEntry[]
}

function written(entries: readonly QuotaEntry[]): Json {
  return entries.map(({ entity, values }) => ({
    entity: entity.map(({ entityType, entityName }) => ({ entityType, entityName })), values: values.map(({ key, value }) => ({ key, value })),
  }))
}
