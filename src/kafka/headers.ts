/*
 * What stands before the body of each request and response. The client id keeps its old encoding in all versions of the header, and the
 * header of an ApiVersions response never has tagged fields, so that a client which knows neither can read it.
 * Spec: Kafka's protocol, RequestHeader 1 and 2, ResponseHeader 0 and 1.
 */
import { type ByteReader, type ByteWriter } from '../base/bytes.ts'
import { int16, int32, message, string } from '../format/schema.ts'

/** RequestHeader. 1: client id. 2: flexible. */
export const requestHeader = message('RequestHeader', { versions: [1, 2], flexible: 2 }, {
  requestApiKey: int16(),
  requestApiVersion: int16(),
  correlationId: int32(),
  clientId: string({ nullable: 1, compact: false }),
})

/** ResponseHeader. 1: flexible. */
export const responseHeader = message('ResponseHeader', { versions: [0, 1], flexible: 1 }, {
  correlationId: int32(),
})

const API_VERSIONS = 18

/** What every request begins with, whatever its API and version. */
export interface RequestStart {
  readonly apiKey: number
  readonly version: number
  readonly correlationId: number
}

/** Reads that, and goes back to the beginning. */
export function readRequestStart(reader: ByteReader): RequestStart {
  const { at } = reader
  const start = { apiKey: reader.int16(), version: reader.int16(), correlationId: reader.int32() }
  reader.at = at
  return start
}

/** Writes the header of a response. */
export function writeResponseHeader(writer: ByteWriter, apiKey: number, flexible: boolean, correlationId: number): void {
  responseHeader.at(flexible && apiKey !== API_VERSIONS ? 1 : 0).encode({ correlationId }, writer)
}
