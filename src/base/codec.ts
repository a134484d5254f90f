/*
 * What turns values into bytes and back, in place: a codec writes into the batch that is being built and reads from the window that
 * holds it. The codecs themselves are in topics/codecs.ts.
 */
import { type ByteWriter } from './bytes.ts'

/** A pair of encode and decode with a name that the catalog of a log remembers. */
export interface Codec<T> {
  /** Kept on disk beside the topic; opening it with a codec of another name is refused. */
  readonly name: string
  /** How many bytes `encode` will write, when that is known without encoding. It must then write exactly as many. */
  readonly size?: (value: T) => number
  /** Whether what `decode` returns shares memory with the buffer: the window that holds it is then never used again. Default false. */
  readonly views?: boolean
  /** Writes the value at the writer's place. May throw: then nothing counts as written. */
  encode(value: T, writer: ByteWriter): void
  /** Reads a value from `buffer[start, end)`. What it returns shares no memory with `buffer` unless `views` is set. */
  decode(buffer: Buffer, start: number, end: number): T
}
