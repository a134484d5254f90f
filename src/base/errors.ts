/*
 * The one error class of commitlog and the table of its codes.
 *
 * Misuse (a wrong type, an unknown option) is a TypeError or RangeError without a code and is not meant to be caught. Everything a
 * program can act on is a LogError with a stable code: match on the code, not on the class or the message, since two copies of a
 * package may be loaded in one process. docs/errors.md says, for each code, when it happens and what to do.
 */

/** What each code means in one line, and whether the same call may succeed later without anyone repairing anything. */
export const errorTable = {
  // Opening a folder
  LOG_LOCKED: { retriable: true, meaning: 'another process or thread holds the folder open for writing' },
  LOG_LOCK_LOST: { retriable: false, meaning: 'this process no longer holds the lock of the folder' },
  LOG_NOT_A_LOG: { retriable: false, meaning: 'the path is not a folder, or it holds files that are not a log' },
  LOG_NOT_FOUND: { retriable: false, meaning: 'the folder, topic or partition does not exist' },
  LOG_ACCESS_DENIED: { retriable: false, meaning: 'the system refuses to read or write the folder' },
  LOG_VERSION_UNSUPPORTED: { retriable: false, meaning: 'a newer version of commitlog wrote this file' },
  LOG_CORRUPT: { retriable: false, meaning: 'bytes that were certainly written are damaged or missing' },
  LOG_TOPIC_MISMATCH: { retriable: false, meaning: 'the topic exists with other settings: another codec, or more partitions' },
  LOG_TOPIC_EXISTS: { retriable: false, meaning: 'the topic that was to be created is there already' },
  LOG_TOPIC_INTERNAL: { retriable: false, meaning: 'the topic belongs to commitlog: its groups and transactions are kept in it' },
  LOG_POLICY_VIOLATION: { retriable: false, meaning: 'the settings of the topic forbid it' },
  LOG_READ_ONLY: { retriable: false, meaning: 'the log was opened with readOnly' },
  LOG_CLOSED: { retriable: false, meaning: 'the log, topic, producer or consumer is closed' },
  LOG_TOO_MANY_FILES: { retriable: true, meaning: 'the process or the system has no file descriptor left' },
  // Appending
  LOG_BUFFER_FULL: { retriable: true, meaning: 'more bytes wait to become durable than bufferBytes allows' },
  LOG_DISK_FULL: { retriable: true, meaning: 'the disk is full, or has less free room than minFreeBytes' },
  LOG_FENCED: { retriable: false, meaning: 'a write or sync of this partition failed: it takes no appends until it is reopened' },
  LOG_RECORD_TOO_LARGE: { retriable: false, meaning: 'the record does not fit into maxMessageBytes' },
  LOG_BATCH_TOO_LARGE: { retriable: false, meaning: 'the batch does not fit into maxMessageBytes or segmentBytes' },
  LOG_APPEND_LOST: { retriable: true, meaning: 'records appended earlier were not stored' },
  LOG_RECORD_INVALID: { retriable: false, meaning: 'the topic does not take this record' },
  LOG_SEND_FAILED: { retriable: true, meaning: 'a part of the records of one send was not stored' },
  // Idempotent and transactional producers
  LOG_PRODUCER_FENCED: { retriable: false, meaning: 'a newer epoch of the same producer has written' },
  LOG_SEQUENCE_OUT_OF_ORDER: { retriable: false, meaning: 'the batch does not continue the sequence of its producer' },
  LOG_TXN_STATE_INVALID: { retriable: false, meaning: 'the batch does not fit the state of its transaction' },
  LOG_TXN_COORDINATOR_FENCED: { retriable: false, meaning: 'a newer transaction coordinator has written' },
  LOG_TXN_ABORTED: { retriable: true, meaning: 'the transaction was aborted: nothing of it counts' },
  LOG_TXN_TIMED_OUT: { retriable: true, meaning: 'the transaction was open for longer than it may be, and was aborted' },
  LOG_TXN_CONCURRENT: { retriable: true, meaning: 'too many transactions are open, or the one before of the same name is still ending' },
  // Reading
  LOG_OFFSET_OUT_OF_RANGE: { retriable: false, meaning: 'the offset is below the first one kept or past the end' },
  LOG_RECORD_GONE: { retriable: false, meaning: 'the record was asked for its bytes after its partition was closed, truncated or compacted' },
  LOG_DECODE_FAILED: { retriable: false, meaning: 'the codec of the topic cannot decode these bytes' },
  // Managed consumption
  LOG_DEAD_LETTER_TOPIC: { retriable: false, meaning: 'the topic cannot take the dead letters of the one that is consumed' },
  LOG_HANDLER_FAILED: { retriable: false, meaning: 'a handler gave a record up, and there is no dead-letter topic to put it in' },
  LOG_HANDLER_TIMED_OUT: { retriable: false, meaning: 'a handler did not return in time' },
  // Groups
  LOG_MEMBER_UNKNOWN: { retriable: false, meaning: 'the consumer is no member of its group any more' },
  LOG_GENERATION_STALE: { retriable: false, meaning: 'the partition was given to another member of the group' },
  LOG_MEMBER_FENCED: { retriable: false, meaning: 'another member of the group has the same instanceId' },
  LOG_GROUP_PROTOCOL_MISMATCH: { retriable: false, meaning: 'the group and the consumer have no assignor in common' },
  LOG_GROUP_NOT_EMPTY: { retriable: true, meaning: 'the group has members' },
  LOG_GROUP_NOT_FOUND: { retriable: false, meaning: 'there is no group of this name' },
  LOG_COMMIT_OUT_OF_RANGE: { retriable: false, meaning: 'the offset to commit is below the first one kept or past the end' },
  // Events
  LOG_VERSION_CONFLICT: { retriable: false, meaning: 'the stream is not at the version that the append expects' },
  LOG_EVENT_INVALID: { retriable: false, meaning: 'the event cannot be stored as it is, or the schema of its type refuses it' },
  LOG_STREAM_INVALID: { retriable: false, meaning: 'the text can be no id of a stream that is appended to' },
  LOG_VERSION_INVALID: { retriable: false, meaning: 'a version that is expected or asked for can be none' },
  LOG_EVENT_ID_TAKEN: { retriable: false, meaning: 'the ids of the append were used before, for other events or not for all of them' },
  LOG_CAST_FAILED: { retriable: false, meaning: 'an event of an older or newer version cannot be brought to the wanted one' },
  LOG_KEY_MISSING: { retriable: false, meaning: 'the subject has no key to encrypt its data with' },
  LOG_FOLD_FAILED: { retriable: false, meaning: 'the fold of an aggregate threw' },
  LOG_PROJECTION_FAILED: { retriable: false, meaning: 'a projection or reactor stopped at an event that it could not handle' },
  LOG_PROJECTION_RUNS: { retriable: false, meaning: 'a projection of this name and version runs already in this process' },
  LOG_CHECKPOINT_AHEAD: { retriable: false, meaning: 'a checkpoint is of events that the store does not have' },
  LOG_FILE_MISMATCH: { retriable: false, meaning: 'the file that was to be gone on with is of other events' },
  LOG_TOPIC_OF_EVENTS: { retriable: false, meaning: 'the topic belongs to an event store: events are appended through it' },
  // Batches and files
  LOG_BATCH_CORRUPT: { retriable: false, meaning: 'the bytes are not a whole, undamaged record batch' },
  LOG_FILE_CORRUPT: { retriable: false, meaning: 'an index, snapshot or checkpoint file is damaged' },
  LOG_CODEC_MISSING: { retriable: false, meaning: 'the optional package for this compression is not installed' },
  LOG_COMPRESSED_CORRUPT: { retriable: false, meaning: 'the compressed bytes cannot be decompressed' },
  LOG_DECOMPRESSED_TOO_LARGE: { retriable: false, meaning: 'the batch decompresses to more than the limit' },
  // The wire
  LOG_PROTOCOL_ERROR: { retriable: false, meaning: 'a peer sent bytes that are no request of the Kafka protocol' },
  LOG_PORT_IN_USE: { retriable: true, meaning: 'another process listens on the port' },
  // A cluster
  LOG_CLIENT_MISSING: { retriable: false, meaning: 'the optional package that speaks to clusters is not installed' },
  LOG_CLUSTER_UNAVAILABLE: { retriable: true, meaning: 'no broker that can do it answered in time' },
  LOG_CLUSTER_REFUSED: { retriable: false, meaning: 'the cluster refused what it was asked for; `detail.error` is its word for why' },
  LOG_CLUSTER_UNSUPPORTED: { retriable: false, meaning: 'the cluster cannot do what it was asked for' },
  LOG_AUTHENTICATION_FAILED: { retriable: false, meaning: 'the cluster does not believe who the client says it is' },
  LOG_NOT_AUTHORIZED: { retriable: false, meaning: 'the cluster does not let this client do it' },
  LOG_SEND_UNKNOWN: { retriable: false, meaning: 'the answer to a send was lost: its records may be stored, or not' },
  LOG_COMMIT_UNKNOWN: { retriable: false, meaning: 'the answer to the commit of a transaction was lost: all of it counts, or nothing' },
  LOG_MIRROR_ITSELF: { retriable: false, meaning: 'a mirror would bring records to the log that they are from' },
  LOG_MIRROR_GAP: { retriable: false, meaning: 'the source of a mirror deleted records before they were mirrored' },
  LOG_MIRROR_TARGET: { retriable: false, meaning: 'a topic of the target has records that the mirror did not bring' },
  // Tests
  LOG_WAIT_TIMED_OUT: { retriable: true, meaning: 'what a test waited for did not come in time' },
  LOG_CONTRACT_BROKEN: { retriable: false, meaning: 'clients produced records that break a contract of the test' },
  LOG_STRICT: { retriable: false, meaning: 'clients did what strict mode does not let pass' },
  LOG_FAULT_UNFIRED: { retriable: false, meaning: 'faults that a test asked for never happened' },
  LOG_IMPORT_INVALID: { retriable: false, meaning: 'a line or record to import is none, or does not fit behind what is there' },
  LOG_REPLAY_DIFFERS: { retriable: false, meaning: 'a broker answered a recorded session in another way than the recording has it' },
  LOG_SCHEDULE_FAILED: { retriable: false, meaning: 'a test failed under one of the schedules that were explored' },
  // The system
  LOG_IO: { retriable: false, meaning: 'the system failed to read or write; the cause says how' },
} as const satisfies Record<string, { retriable: boolean; meaning: string }>

/** The stable code of a {@link LogError}. */
export type LogErrorCode = keyof typeof errorTable

/** What a {@link LogError} knows beside its message: paths, positions, offsets, limits. The fields depend on the code. */
export type LogErrorDetail = Readonly<Record<string, unknown>>

/**
 * An error that a program can act on.
 *
 * `code` is stable between major versions, the message is not. `retriable` says whether the same call may succeed later without a
 * repair: as the table has it for the code, unless the error knows better. `cause` carries the error of the system when there is one.
 */
export class LogError extends Error {
  override readonly name: string = 'LogError'
  readonly code: LogErrorCode
  readonly retriable: boolean
  readonly detail: LogErrorDetail

  constructor(code: LogErrorCode, message: string, detail: LogErrorDetail = {}, cause?: unknown, retriable: boolean = errorTable[code].retriable) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.retriable = retriable
    this.detail = detail
  }
}

/** Whether `error` is a {@link LogError}, and has `code` when one is given. Works across copies of the package. */
export function isLogError(error: unknown, code?: LogErrorCode): error is LogError {
  if (!(error instanceof Error) || error.name !== 'LogError' || !('code' in error)) return false
  return code === undefined ? typeof error.code === 'string' && error.code in errorTable : error.code === code
}
