/*
 * Keys and values as tests write them, as bytes.
 */
import { type TestValue } from './topic-hands.ts'

/** Text and bytes as they are, null as null, and anything else as JSON. */
export function valueBytes(value: TestValue): Uint8Array | null {
  if (value === null || value instanceof Uint8Array) return value
  return Buffer.from(typeof value === 'string' ? value : JSON.stringify(value))
}
