/*
 * Transactions of a few records each, through the public door, many in flight; and the same records sent without them.
 */
import { join } from 'node:path'
import { type Figures, type Job, perSecond, type Subject, values } from '../job.ts'
import { load } from './build.ts'

/** Records of a transaction. */
const RECORDS = 10

/** commitlog's transactions, and its plain sends (`how: 'plain'`). */
export const transactions: Subject = { transact }

async function transact(job: Job): Promise<Figures> {
  const { bytes, CommitLog } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'))
  const topic = await log.topic('bench', { value: bytes, durability: job.durability ?? 'sync' })
  const payloads = values(job.bytes)
  const records = Array.from({ length: RECORDS }, (_, index) => ({ value: payloads[index]! }))
  const plain = async (): Promise<unknown> => topic.send(records)
  const whole = async (): Promise<unknown> => log.transaction((tx) => void tx.send(topic, records))
  const one = job.how === 'plain' ? plain : whole
  const until = async (end: number): Promise<number> => {
    let count = 0
    const caller = async (): Promise<void> => {
      for (; performance.now() < end; count++) await one()
    }
    await Promise.all(Array.from({ length: job.inFlight! }, caller))
    return count
  }
  await until(performance.now() + 300)
  const started = performance.now()
  const count = await until(started + job.ms!)
  const ms = performance.now() - started
  await log.close()
  return { perSecond: perSecond(count * RECORDS, ms) }
}
