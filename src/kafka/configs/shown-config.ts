/*
 * A config as it is shown, and how Kafka writes its value.
 */
import { type ConfigDefinition, configTypes, partsOf } from './config-types.ts'

/** What a config would be otherwise, by the name that it has there. */
export interface Synonym {
  readonly name: string
  readonly value: string | null
  /** Of {@link configSources}. */
  readonly source: number
}

/** A config as it is shown. */
export interface ShownConfig {
  readonly name: string
  readonly value: string | null
  readonly readOnly: boolean
  readonly configSource: number
  readonly isSensitive: boolean
  readonly synonyms: readonly Synonym[]
  /** Of {@link configTypes}. */
  readonly configType: number
}

/** What is known of a config's value. */
export interface ConfigState {
  readonly value: string | null
  /** Where it comes from when `synonyms` do not say. */
  readonly source: number
  readonly readOnly: boolean
  /** The first one is where the value comes from. */
  readonly synonyms: readonly Synonym[]
}

/** A config with its value. What is secret is not shown. */
export function shown({ name, type }: ConfigDefinition, { value, source, readOnly, synonyms }: ConfigState): ShownConfig {
  const isSensitive = type === 'PASSWORD'
  return {
    name, readOnly, isSensitive,
    value: isSensitive ? null : value,
    configSource: synonyms[0]?.source ?? source,
    synonyms: isSensitive ? synonyms.map((synonym) => ({ ...synonym, value: null })) : synonyms,
    configType: configTypes[type],
  }
}

/** A text that a config may have, as Kafka writes the value that it means. */
export function canonicalText({ type }: ConfigDefinition, text: string): string {
  const given = text.trim()
  switch (type) {
    case 'BOOLEAN': return given.toLowerCase()
    case 'INT': case 'SHORT': case 'LONG': return String(BigInt(given.replace(/^\+/, '')))
    case 'DOUBLE': return doubleText(Number(given))
    case 'LIST': return partsOf(text).join(',')
    default: return given
  }
}

/** Java writes a double with a point. */
export function doubleText(value: number): string {
  return Number.isInteger(value) ? value.toFixed(1) : String(value)
}
