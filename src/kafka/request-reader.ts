/*
 * Reads a request. Integers beyond what a number holds exactly become the largest or smallest that it does: the API then answers that with
 * its own error, as for any offset that there is not.
 */
import { ByteReader } from '../base/bytes.ts'

/** A reader of one request. */
export class RequestReader extends ByteReader {
  constructor(frame: Uint8Array) {
    super(frame, 0, frame.length, 'LOG_PROTOCOL_ERROR', 'a request')
  }

  protected override large64(value: number): number {
    return value < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER
  }
}
