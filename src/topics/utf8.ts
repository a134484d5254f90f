/*
 * Text to and from UTF-8 without a detour: Node's own methods on Buffer that take the place and nothing else, or the documented ones where
 * a Node has them no more.
 */
import { type ByteWriter } from '../base/bytes.ts'

interface FastBuffer {
  utf8Write?(value: string, at: number, length?: number): number
  utf8Slice?(start: number, end: number): string
  latin1Slice?(start: number, end: number): string
}

const fast = Buffer.prototype as FastBuffer

/** Writes `value` into `buffer` at `at`, where there must be room, and gives how many bytes it took. */
const writeAt: (buffer: Buffer, value: string, at: number) => number = typeof fast.utf8Write === 'function'
  ? (buffer, value, at) => (buffer as FastBuffer).utf8Write!(value, at)
  : (buffer, value, at) => buffer.write(value, at, 'utf8')

/** The text in `buffer[start, end)`; bytes that are not UTF-8 become U+FFFD. */
export const readUtf8: (buffer: Buffer, start: number, end: number) => string = typeof fast.utf8Slice === 'function'
  ? (buffer, start, end) => (buffer as FastBuffer).utf8Slice!(start, end)
  : (buffer, start, end) => buffer.toString('utf8', start, end)

/** The bytes in `buffer[start, end)` as characters, one each: text when they are ASCII. */
export const readLatin1: (buffer: Buffer, start: number, end: number) => string = typeof fast.latin1Slice === 'function'
  ? (buffer, start, end) => (buffer as FastBuffer).latin1Slice!(start, end)
  : (buffer, start, end) => buffer.toString('latin1', start, end)

/** Writes `value` at the writer's place and gives how many bytes it took. Half surrogate pairs become U+FFFD. */
export function writeUtf8(writer: ByteWriter, value: string): number {
  // Three bytes a character is the most; the exact count is only worth its time when that would make the writer grow.
  if (writer.buffer.length - writer.at < value.length * 3) writer.reserve(Buffer.byteLength(value))
  const size = writeAt(writer.buffer, value, writer.at)
  writer.at += size
  return size
}
