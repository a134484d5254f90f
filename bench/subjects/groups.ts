/*
 * Groups, through the public door: reading as the only member of a group beside reading without one, a member that joins ninety-nine others,
 * and opening a log that knows ten thousand groups.
 */
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { type Figures, type Job, type Subject, watch } from '../job.ts'
import { load } from './build.ts'
import { commitlog } from './commitlog.ts'

const MEMBERS = 100
const TOPICS = 10
const PARTITIONS = 100

/** commitlog's groups. */
export const groups: Subject = { fill: commitlog.fill!, consumeGroup, rebalance, openGroups }

/** From the disk to the end, value as bytes; joining the group and its last commit are measured too. */
async function consumeGroup(job: Job): Promise<Figures> {
  const { bytes, CommitLog } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'))
  const topic = await log.topic('bench', { value: bytes })
  let seen = 0
  const stop = watch()
  const consumer = job.how === 'group' ? topic.consumer({ group: `g${process.pid}`, until: 'end' }) : topic.consumer({ until: 'end' })
  for await (const { value } of consumer) seen += value!.length
  const figures = stop(job.records)
  if (seen !== job.records * job.bytes) throw new Error(`${seen} bytes were read`)
  await log.close()
  return figures
}

/** Until everybody has its share again. */
async function rebalance(job: Job): Promise<Figures> {
  const { CommitLog } = await load(job)
  const log = await CommitLog.open(join(job.folder, 'log'))
  const topics = Array.from({ length: TOPICS }, (_, index) => `t${index}`)
  for (const name of topics) await log.topic(name, { partitions: PARTITIONS })
  const join_ = (): ReturnType<typeof consumer> => {
    const one = consumer()
    void (async () => { for await (const _ of one) continue })()
    return one
  }
  const consumer = () => log.consumer({ group: 'bench', topics })
  const members = Array.from({ length: MEMBERS - 1 }, join_)
  const shared = (): boolean => {
    const shares = members.map(({ assignment }) => assignment.length)
    const most = Math.ceil((TOPICS * PARTITIONS) / members.length)
    return shares.reduce((sum, share) => sum + share, 0) === TOPICS * PARTITIONS && Math.max(...shares) <= most && Math.min(...shares) >= most - 1
  }
  while (!shared()) await turn()
  let ms = 0
  for (let count = 0; count < job.records; count++) {
    const started = performance.now()
    members.push(join_())
    while (!shared()) await turn()
    ms += performance.now() - started
    await members.pop()!.close()
    while (!shared()) await turn()
  }
  await log.close()
  return { ms: ms / job.records }
}

/** A closed log, until what its groups have committed is known. Loads first: only the opening is measured. */
async function openGroups(job: Job): Promise<Figures> {
  const library = await load(job)
  const folder = join(job.folder, 'log')
  const filling = await library.CommitLog.open(folder, { durability: 'os' })
  const topic = await filling.topic('t', { partitions: 3 })
  await Promise.all(Array.from({ length: job.records }, (_, index) => {
    const consumer = topic.consumer({ group: `group-${index}` })
    return consumer.commit([0, 1, 2].map((partition) => ({ partition, offset: 0 })))
  }))
  await filling.close()
  const started = performance.now()
  const log = await library.CommitLog.open(folder)
  const { length } = await log.groups.list()
  const ms = performance.now() - started
  if (length !== job.records) throw new Error(`${length} groups are known`)
  await log.close()
  return { ms }
}
