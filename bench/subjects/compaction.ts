/*
 * Compaction of ourselves, through the public door: a partition of records with keys, some of which come far more often than others, is
 * written and closed, its files leave the system's cache as far as the system lets us, and it is opened and compacted.
 */
import fs from 'node:fs'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type Figures, type Job, numbers, type Subject, values } from '../job.ts'
import { load } from './build.ts'

const KEYS = 100_000
const KEY_BYTES = 16

/** Compaction of commitlog. */
export const compaction: Subject = { compact }

async function open(job: Job) {
  const { bytes, CommitLog, defineTopic, string } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'))
  const topic = await log.topic(defineTopic('bench', { key: string, value: bytes, durability: 'os', cleanupPolicy: 'compact' }))
  return { log, partition: topic.partition(0) }
}

/** Every compaction needs a folder of its own: what was compacted is compact. */
async function fill(job: Job): Promise<void> {
  const { log, partition } = await open(job)
  const payloads = values(job.bytes)
  const random = numbers(3)
  for (let index = 0; index < job.records; index++) {
    // The square makes low numbers likely: one key in ten gets a third of all records.
    const key = Math.floor(((random(1 << 24) / (1 << 24)) ** 2) * KEYS)
    partition.append({ key: String(key).padStart(KEY_BYTES, 'k'), value: payloads[index & 1023]! })
    if ((index & 0x1fff) === 0) await partition.flush()
  }
  await log.close()
}

async function compact(job: Job): Promise<Figures> {
  await fill(job)
  const dropped = dropCaches()
  const { log, partition } = await open(job)
  const bytes = partition.stats().bytes
  const delays = monitorEventLoopDelay({ resolution: 1 })
  const started = performance.now()
  delays.enable()
  const report = await partition.compactNow()
  const ms = performance.now() - started
  delays.disable()
  await log.close()
  return {
    mbPerSecond: bytes / 1e6 / (ms / 1000), holdMs: delays.max / 1e6, keyBytes: report.keyBytes / report.keys, keys: report.keys,
    kept: report.recordsAfter, cold: dropped ? 1 : 0,
  }
}

/** Only the system's administrator may; what was written a moment ago is read from memory then. */
function dropCaches(): boolean {
  try {
    fs.writeFileSync('/proc/sys/vm/drop_caches', '1')
    return true
  } catch {
    return false
  }
}
