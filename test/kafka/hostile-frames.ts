/*
 * The frames of hostile peers, drawn: requests of real clients as they were recorded, requests that are drawn from the schemas (the same few
 * topics, groups, members and producers come again and again), both of them as they are or changed bit by bit, cut and stretched, and bytes
 * that mean nothing. And what a client says of who it is, well or badly.
 */
import { readFileSync } from 'node:fs'
import { ByteWriter, setInt32 } from '../../src/base/bytes.ts'
import { type Random } from '../../src/base/random.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { compressionNames } from '../../src/format/compression.ts'
import { type AnyField, type Fields, isField } from '../../src/format/field.ts'
import { type Message } from '../../src/format/schema.ts'
import { type AnyApi } from '../../src/kafka/api.ts'
import { saslHandshake } from '../../src/kafka/apis/17-sasl-handshake.ts'
import { saslAuthenticate } from '../../src/kafka/apis/36-sasl-authenticate.ts'
import { apis } from '../../src/kafka/apis.ts'
import { requestHeader } from '../../src/kafka/headers.ts'
import { type Drawing, hasField } from '../tools/message-values.ts'
import { bearerToken, plainToken } from './sasl-client.ts'

/** A frame with its length, and what it is in words. */
export interface HostileFrame {
  readonly bytes: Buffer
  readonly what: string
}

/** Who may come in where SASL asks. */
export const users: Readonly<Record<string, string>> = { ada: 'secret', neighbour: 'quiet' }

/** Requests of real clients, in the order in which each sent them; without their length. */
const sessions = (JSON.parse(readFileSync(new URL('../fixtures/wire/sessions.json', import.meta.url), 'utf8')) as { readonly frames: string[] }[])
  .map(({ frames }) => frames.map((frame) => Buffer.from(frame, 'base64')))

/** Names that come again and again, so that requests meet what others left. */
const words = [
  'a', 'orders', 'audit', 'group', 'other', 'member-1', 'tx', '', '..', '__consumer_offsets', 'consumer', 'range', 'cleanup.policy', 'compact', '1',
  'User:ada', 'User:*', 'ada', 'PLAIN', 'retention.ms', 'kafka-cluster',
]

/** One frame after another, for one peer. */
export class HostileFrames {
  readonly #random: Random
  /** The session that is played, and how far it is. */
  #session: readonly Buffer[] = []
  #played = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): HostileFrame {
    const random = this.#random
    if (random.int(100) === 0) return { bytes: Buffer.from(random.bytes(1 + random.int(64))), what: 'noise' }
    const bytes = random.int(2) === 0 ? this.#recorded() : this.#drawn()
    // Most of them are as a client would send them, so that there is something for the others to meet.
    return changed(bytes, random.int(4) > 0 ? 0 : 1 + random.int(4), random)
  }

  /** What a client begins with where SASL asks who it is: it gets in, or not, or not yet. */
  introduction(): HostileFrame[] {
    const random = this.#random
    const version = random.int(2)
    const { mechanism, tokens } = introductions[random.int(introductions.length)]!
    const first = request(saslHandshake, version, { mechanism })
    const others = tokens.map((token) => (version === 0 ? framed(token) : request(saslAuthenticate, random.int(3), { authBytes: token })))
    return [first, ...others].map((bytes) => changed(bytes, random.int(8) === 0 ? 1 : 0, random))
  }

  /** The next request of a session, or one of any. */
  #recorded(): Buffer {
    const random = this.#random
    if (this.#played === this.#session.length || random.int(30) === 0) {
      this.#session = sessions[random.int(sessions.length)]!
      this.#played = 0
    }
    return framed(random.int(4) === 0 ? this.#session[random.int(this.#session.length)]! : this.#session[this.#played++]!)
  }

  #drawn(): Buffer {
    const random = this.#random
    const api = apis[random.int(apis.length)]!
    const { first, last } = api.request
    const version = first + random.int(last - first + 1)
    const drawing = { version, flexible: api.request.isFlexible(version) }
    return request(api, version, drawnStruct((api.request as Message<Fields>).fields, drawing, random))
  }
}

/** A request as a client sends it. */
export function request(api: AnyApi, version: number, value: Record<string, unknown>, correlationId = 1): Buffer {
  const writer = new ByteWriter(Buffer.alloc(512), 4)
  const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId: 'fuzz' }
  requestHeader.at(api.request.isFlexible(version) ? 2 : 1).encode(header, writer)
  ;(api.request as Message<Fields>).at(version).encode(value, writer)
  setInt32(writer.buffer, 0, writer.at - 4)
  return writer.written()
}

/** Ways to say who one is, some of them good ones. The last message of SCRAM is never right. */
const introductions: readonly { readonly mechanism: string; readonly tokens: readonly Buffer[] }[] = [
  { mechanism: 'PLAIN', tokens: [plainToken('ada', users['ada']!)] },
  { mechanism: 'PLAIN', tokens: [plainToken('ada', users['ada']!)] },
  { mechanism: 'PLAIN', tokens: [plainToken('ada', users['ada']!), plainToken('ada', users['ada']!)] },
  { mechanism: 'PLAIN', tokens: [plainToken('ada', 'wrong')] },
  { mechanism: 'PLAIN', tokens: [] },
  { mechanism: 'OAUTHBEARER', tokens: [bearerToken('ada')] },
  { mechanism: 'OAUTHBEARER', tokens: [bearerToken('throws')] },
  { mechanism: 'OAUTHBEARER', tokens: [Buffer.from('n,,\x01')] },
  { mechanism: 'SCRAM-SHA-256', tokens: [Buffer.from('n,,n=ada,r=abc')] },
  { mechanism: 'SCRAM-SHA-512', tokens: [Buffer.from('n,,n=ada,r=abc'), Buffer.from('c=biws,r=abc,p=AAAA')] },
  { mechanism: 'SCRAM-SHA-256', tokens: [Buffer.from('n,,n=nobody,r=abc')] },
  { mechanism: 'GSSAPI', tokens: [Buffer.alloc(0)] },
]

function framed(bytes: Uint8Array): Buffer {
  const length = Buffer.alloc(4)
  setInt32(length, 0, bytes.length)
  return Buffer.concat([length, bytes])
}

function changed(bytes: Buffer, changes: number, random: Random): HostileFrame {
  const what = bytes.length < 8 ? 'a short frame' : `API ${bytes.readInt16BE(4)} ${bytes.readInt16BE(6)}`
  return { bytes: damaged(bytes, changes, random), what: `${what} with ${changes} changes` }
}

function wrongLength(length: number, random: Random): number {
  return [length + 1, length - 1, length + random.int(1000), 0, 3, 70_000, -1, -0x8000_0000, 0x7fff_ffff][random.int(9)]!
}

/** Changes a frame behind its length, and sets the length right, most of the time. */
function damaged(frame: Buffer, changes: number, random: Random): Buffer {
  if (changes === 0) return frame
  let bytes: Buffer = Buffer.from(frame)
  for (let change = 0; change < changes; change++) {
    const at = 4 + random.int(Math.max(1, bytes.length - 4))
    const kind = random.int(5)
    if (kind === 0) bytes[at % bytes.length]! ^= 1 << random.int(8)
    else if (kind === 1) bytes[at % bytes.length] = [0, 1, 0x7f, 0x80, 0xff][random.int(5)]!
    else if (kind === 2) bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 1 + random.int(8))])
    else if (kind === 3) bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(1 + random.int(8)), bytes.subarray(at)])
    else if (at + 4 <= bytes.length) setInt32(bytes, at, [0x7fff_ffff, -1, -0x8000_0000, 0x1000_0000][random.int(4)]!)
  }
  if (bytes.length >= 4) setInt32(bytes, 0, random.int(6) > 0 ? bytes.length - 4 : wrongLength(bytes.length - 4, random))
  return bytes
}

function drawnStruct(fields: Fields, drawing: Drawing, random: Random): Record<string, unknown> {
  const value: Record<string, unknown> = {}
  for (const name in fields) if (hasField(fields[name]!, drawing)) value[name] = drawnValue(name, fields[name]!, drawing, random)
  return value
}

function drawnValue(name: string, field: AnyField, drawing: Drawing, random: Random): unknown {
  const { nullable } = field.options as { readonly nullable?: number }
  if (drawing.version >= (nullable ?? Infinity) && random.int(4) === 0) return null
  const { shape } = field
  switch (shape.kind) {
    case 'boolean': return random.int(2) === 0
    case 'int8': return [0, 1, 2, 3, -1, 127, -128][random.int(7)]
    case 'int16': return [0, 1, 2, 3, -1, 0x7fff, -0x8000][random.int(7)]
    case 'uint16': return random.int(0x1_0000)
    case 'int32': return [0, 1, 2, 3, -1, 100, 30_000, 0x7fff_ffff, -0x8000_0000][random.int(name.includes('artition') ? 5 : 9)]
    case 'uint32': return random.int(0x1_0000_0000)
    case 'int64': return [0, 1, 2, -1, -2, 1000, Number.MAX_SAFE_INTEGER, Number.MIN_SAFE_INTEGER][random.int(8)]
    case 'bigint64': return [0n, 1n, -1n, 2n ** 40n, 2n ** 40n + 1n, 2n ** 63n - 1n][random.int(6)]
    case 'float64': return [0, 1, -1, 1e9, Number.MAX_VALUE][random.int(5)]
    case 'uuid': return Buffer.alloc(16, random.int(3)).toString('base64url')
    case 'string': return words[random.int(words.length)]
    case 'bytes': return Buffer.from(random.bytes(random.int(24)))
    case 'records': return drawnRecords(random)
    case 'struct': return drawnStruct(shape.fields, drawing, random)
    case 'array': {
      const { element } = shape
      return Array.from({ length: random.int(3) }, () => {
        return isField(element) ? drawnValue(name, element, drawing, random) : drawnStruct(element, drawing, random)
      })
    }
  }
}

/** A batch that is right, sometimes two, or a long one; sometimes noise. */
function drawnRecords(random: Random): Buffer {
  if (random.int(5) === 0) return Buffer.from(random.bytes(random.int(100)))
  const batch = drawnBatch(random)
  return random.int(10) === 0 ? Buffer.concat([batch, drawnBatch(random)]) : batch
}

function drawnBatch(random: Random): Buffer {
  const size = random.int(100) === 0 ? 40_000 : 20
  const records = Array.from({ length: 1 + random.int(3) }, (_, index) => ({
    timestamp: Date.UTC(2026, 0, 1) + index, key: Buffer.from(words[random.int(words.length)]!), value: Buffer.alloc(size, random.int(256)),
  }))
  const compression = random.int(10) === 0 ? compressionNames[random.int(compressionNames.length)]! : 'none'
  if (random.int(3) > 0) return encodeBatch(records, { compression })
  const transactional = random.int(2) === 0
  return encodeBatch(records, { compression, producerId: 2n ** 40n, producerEpoch: 0, baseSequence: random.int(3), transactional })
}
