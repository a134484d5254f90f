/*
 * Managed consumption, through the public door: records of a closed log are handled by an asynchronous function that does nothing, in the
 * order of their keys. Filling is not measured; joining the group and the last commit are.
 */
import { join } from 'node:path'
import { type Figures, type Job, type Subject, values, watch } from '../job.ts'
import { load } from './build.ts'

const PARTITIONS = 4
/** Prime, so that keys do not go by partitions. */
const KEYS = 10_007
const CONCURRENCY = 64

/** commitlog's `consume`. */
export const consume: Subject = { consume: consumeAll }

async function consumeAll(job: Job): Promise<Figures> {
  const { bytes, CommitLog, string } = await load(job)
  const folder = join(job.folder, 'log')
  const definition = { partitions: PARTITIONS, key: string, value: bytes, durability: 'os' } as const
  await fill()
  const log = await CommitLog.open(folder)
  const topic = await log.topic('bench', definition)
  const order = job.how as 'key' | 'partition' | 'none'
  let handled = 0
  let tellEnd = (): void => {}
  const end = new Promise<void>((resolve) => { tellEnd = resolve })
  const stop = watch()
  const running = topic.consume({ group: 'bench', order, concurrency: CONCURRENCY }, async () => {
    if (++handled === job.records) tellEnd()
  })
  await end
  await running.stop()
  const figures = stop(job.records)
  await log.close()
  return figures

  async function fill(): Promise<void> {
    const filling = await CommitLog.open(folder)
    const target = await filling.topic('bench', definition)
    const payloads = values(job.bytes)
    for (let index = 0; index < job.records; index++) {
      target.partition(index % PARTITIONS).append({ key: `key-${index % KEYS}`, value: payloads[index & 1023]! })
      if (index % 100_000 === 0) await target.flush()
    }
    await filling.close()
  }
}
