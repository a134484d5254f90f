/*
 * Kafka's way to write a UUID: 16 bytes in base64url without padding, 22 characters. Topic ids and directory ids are such; they are kept as
 * bytes and only written as text.
 */
import { type Random } from '../base/random.ts'

/** Bytes of a UUID. */
const UUID_SIZE = 16

/** A UUID as Kafka writes it: 22 characters. Throws a TypeError when there are not 16 bytes. */
export function uuidText(bytes: Uint8Array): string {
  if (bytes.length !== UUID_SIZE) throw new TypeError(`a UUID has ${UUID_SIZE} bytes, not ${bytes.length}`)
  return Buffer.from(bytes).toString('base64url')
}

/** The 16 bytes of a UUID in Kafka's writing, or undefined when the text is none. */
export function parseUuid(text: string): Uint8Array | undefined {
  if (!/^[a-zA-Z0-9_-]{22}$/.test(text)) return undefined
  const bytes = new Uint8Array(Buffer.from(text, 'base64url'))
  return uuidText(bytes) === text ? bytes : undefined
}

/** A fresh random UUID (version 4) whose text does not begin with a hyphen, as Kafka's tools like it. */
export function newUuid(random: Random): Uint8Array {
  for (;;) {
    const bytes = Uint8Array.from(random.bytes(UUID_SIZE))
    bytes[6] = (bytes[6]! & 0x0f) | 0x40
    bytes[8] = (bytes[8]! & 0x3f) | 0x80
    if (!uuidText(bytes).startsWith('-')) return bytes
  }
}

/** Whether the UUID is Kafka's "none": 16 zeros. */
export function isZeroUuid(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte === 0)
}
