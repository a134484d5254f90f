/*
 * Requests and answers as bytes and as what they say, by the APIs that are served here. Bytes of others, and of versions that are not known, say
 * nothing.
 */
import { ByteReader, ByteWriter, setInt32 } from '../../base/bytes.ts'
import { isLogError } from '../../base/errors.ts'
import { type AnyApi } from '../../kafka/api.ts'
import { apis } from '../../kafka/apis.ts'
import { requestHeader, responseHeader } from '../../kafka/headers.ts'
import { RequestReader } from '../../kafka/request-reader.ts'
import { type Decoding } from '../journal/entry.ts'

/** What a request begins with, and its body. */
export interface WireRequest {
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  readonly clientId: string | null
  readonly body: Decoding
}

const byKey: ReadonlyMap<number, AnyApi> = new Map(apis.map((api): [number, AnyApi] => [api.key, api]))
const API_VERSIONS = 18
const LENGTH_BYTES = 4
const START_BYTES = 8

/** What a request says; undefined for one that is not understood. `frame` is without its length. */
export function readRequest(frame: Uint8Array): WireRequest | undefined {
  if (frame.length < START_BYTES) return undefined
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const api = byKey.get(view.getInt16(0))
  const version = view.getInt16(2)
  if (api === undefined || !api.request.supports(version)) return undefined
  return understood(() => {
    const reader = new RequestReader(frame)
    const { correlationId, clientId } = requestHeader.at(api.request.isFlexible(version) ? 2 : 1).decode(reader)
    return { api, version, correlationId, clientId, body: api.request.at(version).decode(reader) as Decoding }
  })
}

/** The bytes of a request, without their length. */
export function writeRequest({ api, version, correlationId, clientId, body }: WireRequest): Buffer {
  const writer = new ByteWriter()
  const header = { requestApiKey: api.key, requestApiVersion: version, correlationId, clientId }
  requestHeader.at(api.request.isFlexible(version) ? 2 : 1).encode(header, writer)
  api.request.at(version).encode(body, writer)
  return writer.written()
}

/** What an answer says; undefined for one that is not understood. `frame` is without its length. */
export function readAnswer({ api, version }: Pick<WireRequest, 'api' | 'version'>, frame: Uint8Array): Decoding | undefined {
  return understood(() => {
    const reader = new ByteReader(frame, 0, frame.length, 'LOG_PROTOCOL_ERROR', `the answer to ${api.name} ${version}`)
    responseHeader.at(answerHeader(api, version)).decode(reader)
    return api.response.at(version).decode(reader) as Decoding
  })
}

/** The bytes of an answer, without their length. */
export function writeAnswer({ api, version }: Pick<WireRequest, 'api' | 'version'>, correlationId: number, body: Decoding): Buffer {
  const writer = new ByteWriter()
  responseHeader.at(answerHeader(api, version)).encode({ correlationId }, writer)
  api.response.at(version).encode(body, writer)
  return writer.written()
}

/** A frame with its length in front. */
export function framed(frame: Uint8Array): Buffer {
  const bytes = Buffer.allocUnsafe(LENGTH_BYTES + frame.length)
  setInt32(bytes, 0, frame.length)
  bytes.set(frame, LENGTH_BYTES)
  return bytes
}

/** A message with another value where `change` gives one; the message itself where nothing changes. */
export function mapMessage(value: unknown, change: (value: unknown, field: string) => unknown, field = ''): unknown {
  const changed = change(value, field)
  if (changed !== value) return changed
  if (Array.isArray(value)) {
    const list = value.map((one) => mapMessage(one, change, field))
    return list.some((one, index) => one !== value[index]) ? list : value
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const entries = Object.entries(value).map(([name, one]) => [name, one, mapMessage(one, change, name)] as const)
  return entries.some(([, one, other]) => one !== other) ? Object.fromEntries(entries.map(([name, , one]) => [name, one])) : value
}

function answerHeader(api: AnyApi, version: number): 0 | 1 {
  return api.response.isFlexible(version) && api.key !== API_VERSIONS ? 1 : 0
}

function understood<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (error) {
    if (isLogError(error, 'LOG_PROTOCOL_ERROR')) return undefined
    throw error
  }
}
