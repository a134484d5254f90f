/*
 * What configs are, as Kafka tells of them: kinds of resources that have them, types of values, and where a value comes from. Numbers are the
 * protocol's. And how a text is checked against a definition, with the words that Kafka says it in.
 */

/** What may have configs. */
export const resourceTypes = { TOPIC: 2, BROKER: 4, BROKER_LOGGER: 8, CLIENT_METRICS: 16, GROUP: 32 } as const

/** What a value is. */
export const configTypes = { BOOLEAN: 1, STRING: 2, INT: 3, SHORT: 4, LONG: 5, DOUBLE: 6, LIST: 7, CLASS: 8, PASSWORD: 9 } as const

/** The name of a type of values. */
export type ConfigType = keyof typeof configTypes

/** Where a value comes from. */
export const configSources = {
  DYNAMIC_TOPIC: 1, DYNAMIC_BROKER: 2, DYNAMIC_DEFAULT_BROKER: 3, STATIC_BROKER: 4, DEFAULT: 5, DYNAMIC_BROKER_LOGGER: 6,
  DYNAMIC_CLIENT_METRICS: 7, DYNAMIC_GROUP: 8,
} as const

/** A config, as Kafka defines it. */
export interface ConfigDefinition {
  readonly name: string
  readonly type: ConfigType
  /** As Kafka writes it; null when there is none. */
  readonly default: string | null
  /** Smallest and largest number. */
  readonly min?: number
  readonly max?: number
  /** A number that is allowed although it lies outside. */
  readonly or?: number
  /** The only texts, or parts of a list. */
  readonly oneOf?: readonly string[]
  /** What else is to be said of a text: the reason against it. */
  readonly check?: (text: string) => string | undefined
}

/** Definitions by name. */
export type ConfigTable = ReadonlyMap<string, ConfigDefinition>

/** The table of some definitions. */
export function configTable(definitions: readonly ConfigDefinition[]): ConfigTable {
  return new Map(definitions.map((definition) => [definition.name, definition]))
}

/** The parts of a list, as Kafka reads one. */
export function partsOf(list: string): string[] {
  return list.trim() === '' ? [] : list.split(',').map((part) => part.trim())
}

const integers = { INT: [-(2n ** 31n), 2n ** 31n - 1n], SHORT: [-(2n ** 15n), 2n ** 15n - 1n], LONG: [-(2n ** 63n), 2n ** 63n - 1n] } as const

/** What Kafka says of a text that the config cannot have; undefined when it can. */
export function wrongValue(definition: ConfigDefinition, text: string): string | undefined {
  const { name } = definition
  const unlike = notOfType(definition, text)
  if (unlike !== undefined) return `Invalid value ${text.trim()} for configuration ${name}: ${unlike}`
  const outside = outOfRange(definition, text)
  if (outside !== undefined) return `Invalid value ${numberText(definition, text)} for configuration ${name}: ${outside}`
  const stranger = definition.type === 'LIST' ? partsOf(text).find((part) => definition.oneOf?.includes(part) === false) : text.trim()
  if (definition.oneOf !== undefined && stranger !== undefined && !definition.oneOf.includes(stranger)) {
    return `Invalid value ${stranger} for configuration ${name}: String must be one of: ${definition.oneOf.join(', ')}`
  }
  return definition.check?.(text)
}

function notOfType({ type }: ConfigDefinition, text: string): string | undefined {
  const given = text.trim()
  switch (type) {
    case 'BOOLEAN': return /^(?:true|false)$/i.test(given) ? undefined : 'Expected value to be either true or false'
    case 'INT': case 'SHORT': case 'LONG': return isInteger(given, type) ? undefined : `Not a number of type ${type}`
    case 'DOUBLE': return /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i.test(given) ? undefined : 'Not a number of type DOUBLE'
    default: return undefined
  }
}

function isInteger(text: string, type: keyof typeof integers): boolean {
  if (!/^[+-]?\d{1,20}$/.test(text)) return false
  const value = BigInt(text.replace(/^\+/, ''))
  return value >= integers[type][0] && value <= integers[type][1]
}

function outOfRange({ type, min, max, or }: ConfigDefinition, text: string): string | undefined {
  if (type !== 'DOUBLE' && !(type in integers)) return undefined
  const value = Number(text)
  if (value === or) return undefined
  if (or !== undefined && ((min !== undefined && value < min) || (max !== undefined && value > max))) {
    return `Value must be between ${min} and ${max} or equal to ${or}`
  }
  if (min !== undefined && value < min) return `Value must be at least ${min}`
  return max !== undefined && value > max ? `Value must be no more than ${max}` : undefined
}

/** Java writes a double with a point. */
function numberText({ type }: ConfigDefinition, text: string): string {
  const value = Number(text)
  return type === 'DOUBLE' && Number.isInteger(value) ? value.toFixed(1) : String(value)
}
