/*
 * Names of topics as admin requests give them: which there may be, and what Kafka says of those that there may not.
 */
import { type Refusal, refusal } from './refusal.ts'

/** For each topic that one request names twice. */
export const DUPLICATE_TOPIC: Refusal = refusal('INVALID_REQUEST', 'Duplicate topic name.')

const MAX_LENGTH = 249

/** The names that are there more than once. */
export function duplicates(names: readonly string[]): ReadonlySet<string> {
  const seen = new Set<string>()
  return new Set(names.filter((name) => seen.size === seen.add(name).size))
}

/** Why a topic cannot have a name; undefined when it can. */
export function wrongTopicName(name: string): string | undefined {
  const reason = reasonAgainst(name)
  return reason === undefined ? undefined : `Topic name is invalid: ${reason}`
}

function reasonAgainst(name: string): string | undefined {
  if (name === '') return 'the empty string is not allowed'
  if (name === '.' || name === '..') return `'${name}' is not allowed`
  if (name.length > MAX_LENGTH) return `the length of '${name}' is longer than the max allowed length ${MAX_LENGTH}`
  if (!/^[a-zA-Z0-9._-]+$/.test(name)) return `'${name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'`
  return undefined
}

/** The name with all that metrics cannot tell apart made the same: topics that agree in it collide. */
export function collisionName(name: string): string {
  return name.replaceAll('.', '_')
}
