/*
 * Bytes of answers that are wrong, or come in pieces.
 */
import { type Duplex } from 'node:stream'
import { realClock } from '../../base/clock.ts'
import { type Random } from '../../base/random.ts'
import { CRC_AT } from '../../format/batch.ts'
import { type AnswerBytes } from '../../kafka/exchange.ts'
import { type Decoding } from '../journal/entry.ts'
import { type Corruption } from './spec.ts'

const CORRELATION_AT = 4
const BODY_AT = 8
/** More than any client believes. */
const WRONG_LENGTH = 0x7fff_ffff

/** The answer with one thing wrong in it. */
export function corrupted(bytes: readonly Uint8Array[], what: Corruption, random: Random): readonly Uint8Array[] {
  const frame = Buffer.concat(bytes)
  if (what === 'length') frame.writeInt32BE(WRONG_LENGTH, 0)
  else if (what === 'correlation-id') frame.writeInt32BE((frame.readInt32BE(CORRELATION_AT) ^ 0x5555) | 0, CORRELATION_AT)
  else if (frame.length > BODY_AT) frame[BODY_AT + random.int(frame.length - BODY_AT)]! ^= 0xff
  return [frame]
}

/** The answer with a batch of records in it whose checksum is wrong; undefined when it has no records. */
export function withWrongChecksum(response: Decoding): Decoding | undefined {
  let changed = false
  const walk = (value: unknown, name: string): unknown => {
    if (value instanceof Uint8Array) {
      if (changed || name !== 'records' || value.length <= CRC_AT + 4) return value
      changed = true
      // The bytes are the log's own.
      const copy = Buffer.from(value)
      copy[CRC_AT]! ^= 0xff
      return copy
    }
    if (Array.isArray(value)) return value.map((one) => walk(one, name))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([field, one]) => [field, walk(one, field)]))
  }
  const copy = walk(response, '') as Decoding
  return changed ? copy : undefined
}

/** Writes an answer in pieces, each a turn after the one before, and leaves nothing to be sent. */
export async function sendInPieces(stream: Duplex, bytes: readonly Uint8Array[], size: number): Promise<AnswerBytes> {
  const frame = Buffer.concat(bytes)
  for (let from = 0; from < frame.length && !stream.destroyed; from += size) {
    stream.write(frame.subarray(from, from + size))
    await new Promise<void>((resolve) => realClock.defer(resolve))
  }
  return []
}
