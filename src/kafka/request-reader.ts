/*
 * Reads a request. Integers beyond what a number holds exactly become the largest or smallest that it does: the API then answers that with
 * its own error, as for any offset that there is not.
 */
import { ByteReader } from '../base/bytes.ts'

/** Of the lists of one request: more than any client asks about, and few enough to be looked at in one go. */
const MOST_ITEMS = 200_000

/** A reader of one request. */
export class RequestReader extends ByteReader {
  #items = 0

  constructor(frame: Uint8Array) {
    super(frame, 0, frame.length, 'LOG_PROTOCOL_ERROR', 'a request')
  }

  override items(count: number): void {
    this.#items += count
    if (this.#items > MOST_ITEMS) this.fail(`its lists have more than ${MOST_ITEMS} items`)
  }

  protected override large64(value: number): number {
    return value < 0 ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER
  }
}
