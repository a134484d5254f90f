/*
 * Decoded messages of Kafka's protocol as JSON: bytes as base64, whole numbers of 64 bits as numbers where these hold them and as text
 * where they do not.
 */
import { isObject } from './check.ts'

/** A value as JSON. */
export function asJson(value: unknown): unknown {
  if (typeof value === 'bigint') return Number.isSafeInteger(Number(value)) ? Number(value) : String(value)
  if (value instanceof Uint8Array) return Buffer.from(value).toString('base64')
  if (Array.isArray(value)) return value.map(asJson)
  return isObject(value) ? Object.fromEntries(Object.entries(value).map(([name, one]) => [name, asJson(one)])) : value
}
