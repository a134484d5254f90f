/*
 * Frames out of chunks.
 */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { FrameReader } from '../../src/kafka/frames.ts'

function framed(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  length.writeInt32BE(bytes.length, 0)
  return Buffer.concat([length, bytes])
}

test('the same frames come out, however the bytes are cut', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 3000 }), { minLength: 1, maxLength: 5 })
  const sizes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 1500 })), { minLength: 1, maxLength: 10 })
  fc.assert(fc.property(frames, sizes, fc.boolean(), (expected, cuts, looks) => {
    const bytes = Buffer.concat(expected.map(framed))
    const reader = new FrameReader(10_000)
    const found: Buffer[] = []
    for (let at = 0, cut = 0; at < bytes.length; cut++) {
      const chunk = bytes.subarray(at, at += cuts[cut % cuts.length]!)
      reader.push(Buffer.from(chunk))
      while (reader.hasFrame()) {
        if (looks) reader.peek(Math.min(2, reader.frameSize))
        found.push(reader.take())
      }
    }
    expect(found.map((frame) => frame.toString('hex'))).toEqual(expected.map((frame) => Buffer.from(frame).toString('hex')))
    expect(reader.waiting).toBe(0)
  }))
})

test('a frame that comes byte by byte takes little more memory than its bytes', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const reader = new FrameReader(1_000_000)
  reader.push(Buffer.from([0, 15, 0, 0]))
  collect()
  const before = process.memoryUsage()
  for (let count = 0; count < 200_000; count++) reader.push(Buffer.from([0]))
  collect()
  const after = process.memoryUsage()
  expect(after.heapUsed - before.heapUsed + after.arrayBuffers - before.arrayBuffers).toBeLessThan(4_000_000)
  expect(reader.waiting).toBe(200_004)
})

test('what is only lent is there when it is taken at once, and what waits longer is kept', () => {
  const frames = fc.array(fc.uint8Array({ maxLength: 6000 }), { minLength: 1, maxLength: 5 })
  const sizes = fc.array(fc.oneof(fc.constant(1), fc.integer({ min: 1, max: 4000 })), { minLength: 1, maxLength: 10 })
  fc.assert(fc.property(frames, sizes, fc.infiniteStream(fc.boolean()), (expected, cuts, taken) => {
    const bytes = Buffer.concat(expected.map(framed))
    const memory = Buffer.alloc(4000)
    const reader = new FrameReader(10_000)
    const found: Buffer[] = []
    const take = (): void => {
      const lent = reader.frameLent
      const frame = reader.take()
      found.push(lent ? Buffer.from(frame) : frame)
    }
    for (let at = 0, cut = 0; at < bytes.length; cut++) {
      const size = Math.min(cuts[cut % cuts.length]!, bytes.length - at)
      bytes.copy(memory, 0, at, at += size)
      reader.push(memory.subarray(0, size), true)
      while (reader.hasFrame() && taken.next().value === true) take()
      reader.keep()
      memory.fill(0xee)
    }
    while (reader.hasFrame()) take()
    expect(found.map((frame) => frame.toString('hex'))).toEqual(expected.map((frame) => Buffer.from(frame).toString('hex')))
    expect(reader.waiting).toBe(0)
  }))
})
