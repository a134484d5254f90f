/*
 * One request and its answer as the journal keeps them: the bytes that went over the connection, decoded when somebody looks.
 */
import { type InspectOptions } from 'node:util'
import { ByteReader } from '../../base/bytes.ts'
import { isLogError } from '../../base/errors.ts'
import { type Inspect, INSPECT, inspected } from '../../base/inspect.ts'
import { type AnyApi } from '../../kafka/api.ts'
import { type ApiName } from '../../kafka/api-names.ts'
import { requestHeader, responseHeader } from '../../kafka/headers.ts'
import { RequestReader } from '../../kafka/request-reader.ts'

/** A decoded request or answer: the fields that Kafka's protocol has, in camelCase. */
export type Decoding = Readonly<Record<string, unknown>>

/** The rows of a list of such a message; none where there is no list. */
export function rowsOf(list: unknown): readonly Decoding[] {
  return Array.isArray(list) ? list as readonly Decoding[] : []
}

/** What an entry is made of. */
export interface EntryParts {
  readonly number: number
  readonly api: AnyApi
  readonly version: number
  readonly correlationId: number
  readonly connection: number
  readonly broker: number
  readonly clientId: string
  readonly software: string
  /** Wall time of the broker. */
  readonly at: number
  /** Ms since the journal began. */
  readonly since: number
  /** Without its length. */
  readonly frame: Uint8Array
  readonly served: boolean
  /** Place in the order of all that the journal has. */
  readonly asked: number
}

const API_VERSIONS = 18
/** Of the length in front of a frame. */
const LENGTH_BYTES = 4

/** One request with its answer. */
export class JournalEntry {
  /** Counts requests from 1 on, in the order in which they were begun. */
  readonly number: number
  /** Kafka's name: `Produce`. */
  readonly api: ApiName
  readonly key: number
  readonly version: number
  readonly correlationId: number
  /** Counts the connections of the broker from 1 on. */
  readonly connection: number
  /** Node id of the broker that was asked. */
  readonly broker: number
  readonly clientId: string
  /** What the client calls itself, with its version; empty when it does not say. */
  readonly software: string
  /** When the request was begun: wall time of the broker, ms since 1970. */
  readonly at: number
  /** As `at`, in ms since the journal began. */
  readonly since: number
  /** Ms until it was answered; undefined when it was not, or not yet. */
  durationMs: number | undefined
  /** @internal Places in the order of all that the journal has: of the request, and of its answer. */
  readonly order: { readonly asked: number; answered: number }
  /** What faults did to it, in words. */
  readonly faults: string[] = []
  /** What contracts found wrong with its records, in words. */
  readonly violations: string[] = []
  /** Whether the broker serves this version of the API; if not, it was not read, and is empty. */
  readonly served: boolean
  /** The bytes of the request, without its length. */
  readonly requestFrame: Uint8Array
  /** The bytes that were sent, their length in front; undefined when nothing was sent. */
  responseFrame: Uint8Array | undefined
  readonly #api: AnyApi
  #request: Decoding | undefined
  #response: Decoding | undefined

  /** @internal */
  constructor(parts: EntryParts) {
    const { number, api, version, correlationId, connection, broker, clientId, software, at, since, frame, served, asked } = parts
    this.#api = api
    this.number = number
    this.api = api.name as ApiName
    this.key = api.key
    this.version = version
    this.correlationId = correlationId
    this.connection = connection
    this.broker = broker
    this.clientId = clientId
    this.software = software
    this.at = at
    this.since = since
    this.requestFrame = frame
    this.served = served
    this.order = { asked, answered: asked }
  }

  /** The decoded request. */
  get request(): Decoding {
    return (this.#request ??= this.#decodedRequest())
  }

  /** The decoded answer; undefined when there was none, or what was sent cannot be understood. */
  get response(): Decoding | undefined {
    if (this.responseFrame !== undefined) this.#response ??= this.#decodedResponse(this.responseFrame)
    return this.#response
  }

  /** Bytes of the request, its length in front. */
  get requestBytes(): number {
    return LENGTH_BYTES + this.requestFrame.length
  }

  /** Bytes of the answer, its length in front. */
  get responseBytes(): number {
    return this.responseFrame?.length ?? 0
  }

  /** The entry with request and answer decoded, for printing and for files. */
  toJSON(): Record<string, unknown> {
    const { number, since, connection, broker, clientId, api, version, served, correlationId, request, response, durationMs } = this
    const { faults, violations } = this
    return { number, since, connection, broker, clientId, api, version, served, correlationId, request, response, durationMs, faults, violations }
  }

  /** @internal */
  [INSPECT](depth: number | null, options: InspectOptions, inspect: Inspect): string {
    return inspected('JournalEntry', () => this.toJSON(), depth, options, inspect)
  }

  #decodedRequest(): Decoding {
    if (!this.served) return {}
    const reader = new RequestReader(this.requestFrame)
    requestHeader.at(this.#api.request.isFlexible(this.version) ? 2 : 1).decode(reader)
    return this.#api.request.at(this.version).decode(reader) as Decoding
  }

  #decodedResponse(frame: Uint8Array): Decoding | undefined {
    try {
      const reader = new ByteReader(frame, LENGTH_BYTES, frame.length, 'LOG_PROTOCOL_ERROR', `the answer to ${this.api} ${this.version}`)
      // Who asks for versions in one that is not served is answered in the first.
      const version = this.served ? this.version : 0
      const flexible = this.#api.response.isFlexible(version) && this.key !== API_VERSIONS
      responseHeader.at(flexible ? 1 : 0).decode(reader)
      return this.#api.response.at(version).decode(reader) as Decoding
    } catch (error) {
      if (isLogError(error, 'LOG_PROTOCOL_ERROR')) return undefined
      throw error
    }
  }
}
