/*
 * The frames of a stream, one after the other.
 */
import { type Duplex } from 'node:stream'
import { FrameReader } from '../../kafka/frames.ts'

const MOST_FRAME_BYTES = 256 * 1024 * 1024

/** Calls `take` with each frame, without its length, when it is done with the one before, and then `ended`. What it throws ends the stream. */
export function onFrames(stream: Duplex, take: (frame: Buffer) => void | Promise<void>, ended: (how: 'end' | 'close') => void): void {
  const frames = new FrameReader(MOST_FRAME_BYTES)
  let turn: Promise<void> = Promise.resolve()
  stream.on('data', (chunk: Buffer) => {
    try {
      frames.push(chunk)
      while (frames.hasFrame()) {
        const frame = Buffer.from(frames.take())
        turn = turn.then(() => take(frame)).catch(() => void stream.destroy())
      }
    } catch {
      stream.destroy()
    }
  })
  stream.on('end', () => void turn.then(() => ended('end')))
  stream.on('close', () => void turn.then(() => ended('close')))
}
