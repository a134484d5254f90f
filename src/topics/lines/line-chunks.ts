/*
 * Lines of a stream of bytes, a chunk at a time: what has arrived is handed on at once, so that a slow stream is not held back.
 */
import { type Readable } from 'node:stream'
import { InputError } from '../../base/input-error.ts'

const NEWLINE = 0x0a
const RETURN = 0x0d

/** A line longer than this is a mistake: no batch takes it. */
const LONGEST = 64 * 1024 * 1024

/**
 * The lines of each chunk as bytes, without their ends. A last line needs no end. Ends early, without an error, when `signal` is aborted.
 *
 * @throws InputError when a line is longer than 64 MiB
 */
export async function* lineChunks(stream: Readable, signal: AbortSignal): AsyncGenerator<Buffer[], void> {
  const end = (): void => void stream.destroy()
  signal.addEventListener('abort', end, { once: true })
  let rest: Buffer[] = []
  let restSize = 0
  try {
    for await (const piece of stream as AsyncIterable<Buffer | string>) {
      const chunk = Buffer.from(piece as Buffer)
      const lines: Buffer[] = []
      let from = 0
      for (let at = chunk.indexOf(NEWLINE); at >= 0; at = chunk.indexOf(NEWLINE, from)) {
        lines.push(withoutReturn(Buffer.concat([...rest, chunk.subarray(from, at)])))
        rest = []
        restSize = 0
        from = at + 1
      }
      if (from < chunk.length) rest.push(chunk.subarray(from))
      restSize += chunk.length - from
      if (restSize > LONGEST) throw new InputError(`a line of more than ${LONGEST} bytes`)
      if (lines.length > 0) yield lines
    }
    if (restSize > 0) yield [withoutReturn(Buffer.concat(rest))]
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    signal.removeEventListener('abort', end)
  }
}

function withoutReturn(line: Buffer): Buffer {
  return line.at(-1) === RETURN ? line.subarray(0, -1) : line
}
