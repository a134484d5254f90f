/*
 * The `.kafka_cleanshutdown` file that a Kafka broker leaves when it stopped in good order, and removes when it starts. Only its being there
 * counts: Kafka then trusts every segment unread. Our own folders say so in the mark. Kafka's CleanShutdownFileHandler.
 */

/** Name of the file in the folder of a log. */
export const CLEAN_SHUTDOWN_FILE = '.kafka_cleanshutdown'

const CURRENT_VERSION = 0

/** The bytes of the file. Write it only after every file of the folder is synced and its indexes are cut to their entries. */
export function encodeCleanShutdown(brokerEpoch = -1): Buffer {
  return Buffer.from(JSON.stringify({ version: CURRENT_VERSION, brokerEpoch }))
}

/** The broker's epoch in the file; -1 when it says none or cannot be read, which does not make the shutdown any less clean. */
export function parseCleanShutdown(bytes: Uint8Array): number {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
  const digits = /"brokerEpoch"\s*:\s*(-?\d{1,19})\b/.exec(text)?.[1]
  const epoch = digits === undefined ? -1 : Number(digits)
  return Number.isSafeInteger(epoch) ? epoch : -1
}
