/*
 * The loggers of a broker. Nothing is logged here: levels are held as long as the listener lives, as Kafka holds them, so that clients which set
 * one find it.
 */
import { type Cluster } from '../cluster.ts'
import { type Refusal, refusal } from '../refusal.ts'
import { operations } from './config-operations.ts'

const levels = ['DEBUG', 'ERROR', 'FATAL', 'INFO', 'TRACE', 'WARN']
const ROOT = 'root'
/** Any of Kafka's is taken for one that is there. */
const ours = /^(?:kafka|org\.apache\.kafka)\./

const held = new WeakMap<Cluster, Map<string, string>>()

/** The loggers by name, with their levels. */
export function loggersOf(cluster: Cluster): ReadonlyMap<string, string> {
  return table(cluster)
}

/** What is to be done to a logger. */
export interface LoggerChange {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** Why levels cannot be set so; undefined when they can. */
export function wrongLevels(cluster: Cluster, changes: readonly LoggerChange[]): Refusal | undefined {
  for (const { name, configOperation, value } of changes) {
    if (configOperation === operations.APPEND || configOperation === operations.SUBTRACT) {
      const operation = configOperation === operations.APPEND ? 'APPEND' : 'SUBTRACT'
      return refusal('INVALID_REQUEST', `${operation} operation is not allowed for the BROKER_LOGGER resource`)
    }
    if (!table(cluster).has(name) && !ours.test(name)) return refusal('INVALID_CONFIG', `Logger ${name} does not exist!`)
    if (configOperation === operations.DELETE) {
      if (name === ROOT) return refusal('INVALID_REQUEST', 'Removing the log level of the root logger is not allowed')
    } else if (!levels.includes(value ?? '')) {
      const known = `Valid log levels are ${levels.join(', ')}`
      return refusal('INVALID_CONFIG', `Cannot set the log level of ${name} to ${value} as it is not a supported log level. ${known}`)
    }
  }
  return undefined
}

/** Sets levels that were checked. */
export function setLevels(cluster: Cluster, changes: readonly LoggerChange[]): void {
  const loggers = table(cluster)
  for (const { name, configOperation, value } of changes) loggers.set(name, configOperation === operations.DELETE ? loggers.get(ROOT)! : value!)
}

function table(cluster: Cluster): Map<string, string> {
  const known = held.get(cluster) ?? new Map([[ROOT, 'INFO'], ['kafka', 'INFO'], ['org.apache.kafka', 'INFO']])
  held.set(cluster, known)
  return known
}
