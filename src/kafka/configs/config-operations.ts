/*
 * What is done to a config: it is set, taken back, or has parts added to it and taken from it when it is a list. Numbers are the protocol's.
 */
import { type Refusal, refusal } from '../refusal.ts'
import { type ConfigTable, partsOf } from './config-types.ts'
import { type Configs } from './kept-configs.ts'

/** Kafka's numbers of operations. */
export const operations = { SET: 0, DELETE: 1, APPEND: 2, SUBTRACT: 3 } as const

/** An operation on a config. */
export interface ConfigChange {
  readonly name: string
  readonly configOperation: number
  readonly value: string | null
}

/** The configs that a request asks for; a refusal for what cannot be. */
export function changed(
  configs: Configs, changes: readonly ConfigChange[], table: ConfigTable, defaultOf: (name: string) => string | null = () => null,
): Configs | Refusal {
  const next = new Map(configs)
  for (const { name, configOperation, value } of changes) {
    const adds = configOperation === operations.APPEND
    if (configOperation === operations.SET) next.set(name, value!)
    else if (configOperation === operations.DELETE) next.delete(name)
    else if (!adds && configOperation !== operations.SUBTRACT) return refusal('INVALID_REQUEST', `Unknown operation type ${configOperation}`)
    else if (table.get(name)?.type !== 'LIST') {
      return refusal('INVALID_CONFIG', `Can't ${adds ? 'APPEND' : 'SUBTRACT'} to key ${name} because its type is not LIST.`)
    } else {
      const now = partsOf(next.get(name) ?? defaultOf(name) ?? '')
      const given = partsOf(value!)
      const parts = adds ? [...now, ...given.filter((part) => !now.includes(part))] : now.filter((part) => !given.includes(part))
      next.set(name, parts.join(','))
    }
  }
  return next
}
