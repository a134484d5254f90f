/*
 * A recorded session: who sent what to which broker, and what was answered when. As a file it is one of ours (format/side-file.ts, kind WIRE): what
 * is in it is compressed, and everything that it says of lengths is checked. Spec: docs/testing-advanced.md#record-and-replay.
 */
import { ByteReader, ByteWriter } from '../../base/bytes.ts'
import { LogError } from '../../base/errors.ts'
import { diskFileSystem } from '../../files/disk.ts'
import { type FileSystem } from '../../files/file-system.ts'
import { readFileSync, writeFileAtomically } from '../../files/write-fully.ts'
import { decodeSideFile, encodeSideFile } from '../../format/side-file.ts'

/** One frame of a session. */
export interface RecordedFrame {
  readonly kind: 'request' | 'answer'
  /** Ms since the session began, to the microsecond. */
  readonly at: number
  /** Counts the connections of the session from 1 on. */
  readonly connection: number
  /** Place of the broker in {@link RecordingInfo.brokers}. */
  readonly broker: number
  /** Without its length. */
  readonly bytes: Buffer
}

/** What is known of a session as a whole. */
export interface RecordingInfo {
  /** ISO 8601. */
  readonly recordedAt: string
  /** Node ids of the brokers. */
  readonly brokers: readonly number[]
  /** Of the test broker that it was recorded at; null for another one. */
  readonly seed: number | null
  /** What it was recorded at: `test broker`, or the addresses of a cluster. */
  readonly at: string
}

const KIND = 'WIRE'
const VERSION = { major: 1, minor: 0 }
const MOST_FILE_BYTES = 512 * 1024 * 1024
/** Beyond it a small file that claims much is not believed. */
const MOST_BYTES = 1024 * 1024 * 1024
const MOST_FRAMES = 10_000_000
const kinds = ['request', 'answer'] as const

/** A session. */
export class Recording {
  readonly info: RecordingInfo
  readonly frames: readonly RecordedFrame[]

  constructor(info: RecordingInfo, frames: readonly RecordedFrame[]) {
    this.info = info
    this.frames = frames
  }

  /** Requests that it has. */
  get requests(): number {
    return this.frames.reduce((count, { kind }) => count + (kind === 'request' ? 1 : 0), 0)
  }

  /** The session as the bytes of a file. */
  encode(): Buffer {
    const writer = new ByteWriter()
    const info = Buffer.from(JSON.stringify(this.info))
    writer.uvarint(info.length)
    writer.bytes(info)
    writer.uvarint(this.frames.length)
    let before = 0
    for (const { kind, at, connection, broker, bytes } of this.frames) {
      const micros = Math.max(before, Math.round(at * 1000))
      writer.int8(kinds.indexOf(kind))
      writer.varlong(micros - before)
      writer.uvarint(connection)
      writer.uvarint(broker)
      writer.uvarint(bytes.length)
      writer.bytes(bytes)
      before = micros
    }
    return encodeSideFile(KIND, VERSION, zlib().deflateRawSync(writer.written()))
  }

  /**
   * The session of the bytes of a file.
   *
   * @throws LogError `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`
   */
  static decode(bytes: Uint8Array, path = 'the recording'): Recording {
    const contents = inflated(decodeSideFile(bytes, KIND, VERSION, path).payload, path)
    const reader = new ByteReader(contents, 0, contents.length, 'LOG_FILE_CORRUPT', path)
    const info = parseInfo(reader)
    const count = reader.uvarint()
    if (count > MOST_FRAMES) reader.fail(`${count} frames`)
    const frames: RecordedFrame[] = []
    let micros = 0
    for (let index = 0; index < count; index++) {
      const kind = kinds[reader.int8()] ?? reader.fail('a frame is neither request nor answer')
      const passed = reader.varlong()
      if (passed < 0) reader.fail('time goes back')
      micros += passed
      const [connection, broker] = [reader.uvarint(), reader.uvarint()]
      if (broker >= info.brokers.length) reader.fail(`broker ${broker} of ${info.brokers.length}`)
      frames.push({ kind, at: micros / 1000, connection, broker, bytes: Buffer.from(reader.bytes(reader.uvarint())) })
    }
    if (reader.left > 0) reader.fail(`${reader.left} bytes behind the last frame`)
    return new Recording(info, frames)
  }

  /** Writes the file, over one that is there. */
  async save(path: string, files: FileSystem = diskFileSystem): Promise<void> {
    await writeFileAtomically(files, path, this.encode())
  }

  /**
   * Reads a file.
   *
   * @throws LogError `LOG_NOT_FOUND`, `LOG_FILE_CORRUPT`, `LOG_VERSION_UNSUPPORTED`
   */
  static load(path: string, files: FileSystem = diskFileSystem): Recording {
    const bytes = readFileSync(files, path, MOST_FILE_BYTES)
    if (bytes === undefined) throw new LogError('LOG_NOT_FOUND', `there is no recording ${path}`, { path })
    return Recording.decode(bytes, path)
  }
}

function inflated(payload: Uint8Array, path: string): Buffer {
  try {
    return zlib().inflateRawSync(payload, { maxOutputLength: MOST_BYTES })
  } catch (error) {
    throw new LogError('LOG_FILE_CORRUPT', `${path} is damaged: what it holds is not compressed as it says`, { path, reason: 'compression' }, error)
  }
}

function parseInfo(reader: ByteReader): RecordingInfo {
  let given: unknown
  try {
    given = JSON.parse(reader.string(reader.uvarint()))
  } catch (error) {
    if (error instanceof SyntaxError) return reader.fail('what it says of itself is not JSON', error)
    throw error
  }
  const { recordedAt, brokers, seed, at } = (given ?? {}) as Partial<Record<keyof RecordingInfo, unknown>>
  const known = typeof recordedAt === 'string' && typeof at === 'string' && (seed === null || typeof seed === 'number') &&
    Array.isArray(brokers) && brokers.length > 0 && brokers.every((id) => Number.isInteger(id))
  return known ? { recordedAt, at, seed, brokers: brokers as number[] } : reader.fail('what it says of itself is incomplete')
}

/** Loaded when a recording is written or read, and not with the test kit. */
function zlib(): typeof import('node:zlib') {
  return process.getBuiltinModule('node:zlib')
}
