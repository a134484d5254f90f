/*
 * The tasks of housekeeping.ts for one log, and when each is asked for. Nothing is deleted unless the settings of a topic ask for it: its
 * `retentionMs` or `retentionBytes`, or a `cleanupPolicy` that compacts.
 */
import { type LogEvent } from '../log/environment.ts'
import { type PartitionLog } from '../log/partition-log.ts'
import { cleanDue } from './cleaning.ts'
import { Housekeeping, type HouseTask } from './housekeeping.ts'
import { type LogCore } from './log-core.ts'
import { OFFSETS_TOPIC, TRANSACTIONS_TOPIC } from './internal-topics.ts'
import { presentLogs, type TopicCore } from './topic-core.ts'

/** Kafka's `log.retention.check.interval.ms`. */
const RETENTION_CHECK_MS = 300_000
/** Kafka's `log.cleaner.backoff.ms`. */
const CLEANER_BACKOFF_MS = 15_000
/** Kafka's `offsets.retention.check.interval.ms`. */
const OFFSETS_CHECK_MS = 600_000
/** Kafka's `transaction.remove.expired.transaction.cleanup.interval.ms`. */
const IDS_CHECK_MS = 3_600_000

/** The housekeeping of a log that is open for writing; `look` begins it. */
export function housekeepingOf(core: LogCore): Housekeeping {
  const { clock } = core.env
  return new Housekeeping(clock, [retention(core), cleaning(core), offsets(core), ids(core)], (task, cause) => {
    const topic = task === 'ids' ? TRANSACTIONS_TOPIC : OFFSETS_TOPIC
    core.env.emit?.({ type: 'housekeeping-failed', topic, partition: 0, task, cause })
  })
}

function retention(core: LogCore): HouseTask {
  return {
    name: 'retention',
    everyMs: core.options.logRetentionCheckIntervalMs ?? RETENTION_CHECK_MS,
    wanted: () => core.openTopics.some(asksForRetention),
    async run(signal) {
      for (const log of core.openTopics.filter(asksForRetention).flatMap(presentLogs)) {
        if (signal.aborted) return
        await applyTo(core, log)
      }
    },
  }
}

/** One partition whose disk fails does not keep the others from being looked at. */
async function applyTo(core: LogCore, log: PartitionLog): Promise<void> {
  try {
    await log.applyRetention(core.env.clock.now())
  } catch (error) {
    if (log.state !== 'closed') failed(core, log, 'retention', error)
  }
}

function cleaning(core: LogCore): HouseTask {
  const logs = (): PartitionLog[] => core.openTopics.filter(asksForCleaning).flatMap(presentLogs)
  return {
    name: 'cleaner',
    everyMs: core.options.logCleanerBackoffMs ?? CLEANER_BACKOFF_MS,
    wanted: () => core.openTopics.some(asksForCleaning),
    async run(signal) {
      await cleanDue(logs, () => core.env.clock.now(), { signal, failed: (log, error) => failed(core, log, 'cleaner', error) })
    },
  }
}

function offsets(core: LogCore): HouseTask {
  return {
    name: 'offsets',
    everyMs: OFFSETS_CHECK_MS,
    // Commits of old clients say themselves how long they are to be kept.
    wanted: () => core.hasGroups,
    async run() {
      await (await core.groups()).expireOffsets(core.env.clock.now())
    },
  }
}

function ids(core: LogCore): HouseTask {
  return { name: 'ids', everyMs: IDS_CHECK_MS, wanted: () => core.hasTransactions, run: () => core.transactions.expireIds() }
}

function asksForCleaning({ config }: TopicCore): boolean {
  return config.cleanupPolicy !== 'delete'
}

function asksForRetention({ config }: TopicCore): boolean {
  return config.cleanupPolicy !== 'compact' && (config.retentionMs < Infinity || config.retentionBytes < Infinity)
}

function failed(core: LogCore, { topic, partition }: PartitionLog, task: string, cause: unknown): void {
  const event: LogEvent = { type: 'housekeeping-failed', topic, partition, task, cause }
  core.env.emit?.(event)
}
