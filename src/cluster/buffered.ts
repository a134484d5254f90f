/*
 * How much of a connection's records waits for the cluster: of plain sends and of all transactions together.
 */
import { LogError } from '../base/errors.ts'

/** The bytes that wait. */
export class Buffered {
  bytes = 0
  /** Above so many bytes nothing more is taken. */
  readonly limit: number

  constructor(limit: number) {
    this.limit = limit
  }

  /** @throws LogError `LOG_BUFFER_FULL` */
  checkRoom(): void {
    if (this.bytes <= this.limit) return
    throw new LogError('LOG_BUFFER_FULL', `${this.bytes} bytes wait for the cluster already`, { bytes: this.bytes, bufferBytes: this.limit })
  }
}
