/*
 * The data of an event that is read again and again: decoded once, and copied for each who reads it, since what a reader is given is his to
 * change. A copy takes a fifth of what decoding does. Only of plain JSON: nothing else is known to be the same each time, and to be copied
 * by its fields alone. What is encrypted is not kept, so a key that is destroyed takes effect at once.
 */
import { type Codec } from '../base/codec.ts'
import { json } from '../topics/codecs.ts'

/** Bytes of JSON above which nothing is kept: it is decoded as fast as it is copied, when most of it is long texts. */
const MOST_BYTES = 4096
/** Levels of objects and lists in it. */
const MOST_DEPTH = 64
/** Memory that decoded JSON takes, for each of its bytes. */
const MEMORY_A_BYTE = 3
/** Memory of what keeps it. */
const OVERHEAD = 64

const plain = json()

/** The decoded data of one event. */
export class KeptData {
  private data: unknown = undefined
  private state: 'new' | 'kept' | 'refused' = 'new'

  /** Whether the data of events that are read by this codec can be kept. */
  static isFor(codec: Codec<unknown>): boolean {
    return codec === plain
  }

  /** Bytes that it may take in memory when the event's data has so many. */
  static memoryOf(bytes: number): number {
    return bytes > MOST_BYTES ? 0 : bytes * MEMORY_A_BYTE + OVERHEAD
  }

  /** The data at `[start, end)`: a value that nobody else has. */
  read(buffer: Buffer, start: number, end: number): unknown {
    if (this.state === 'kept') return copyOf(this.data, 0)
    const data = plain.decode(buffer, start, end)
    if (this.state === 'refused') return data
    try {
      if (end - start <= MOST_BYTES) {
        this.data = copyOf(data, 0)
        this.state = 'kept'
        return data
      }
    } catch (error) {
      if (error !== tooDeep) throw error
    }
    this.state = 'refused'
    return data
  }
}

const tooDeep = new RangeError('too deep to be copied')

/** A copy of what JSON says. */
function copyOf(value: unknown, depth: number): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (depth === MOST_DEPTH) throw tooDeep
  if (Array.isArray(value)) {
    const list: unknown[] = value.slice()
    for (let index = 0; index < list.length; index++) {
      const item = list[index]
      if (typeof item === 'object' && item !== null) list[index] = copyOf(item, depth + 1)
    }
    return list
  }
  const object: Record<string, unknown> = { ...value }
  for (const name in object) {
    const field = object[name]
    // Not what somebody hung on Object.prototype.
    if (typeof field === 'object' && field !== null && Object.hasOwn(object, name)) object[name] = copyOf(field, depth + 1)
  }
  return object
}
