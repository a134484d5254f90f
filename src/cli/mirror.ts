/*
 * `commitlog mirror`: the records of a log into another one, each of them a folder or a cluster, with what groups have committed.
 */
import { readFileSync } from 'node:fs'
import { connect } from '../cluster/connect.ts'
import { mirror as begin, type Mirroring, type MirrorStatus } from '../cluster/mirror/mirror.ts'
import { type MirrorOptions } from '../cluster/mirror/options.ts'
import { identityOf } from '../cluster/mirror/side.ts'
import { type MirrorPlan, type PlannedTopic, planMirror } from '../cluster/mirror/plan.ts'
import { type ClusterSecurity } from '../cluster/options.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { type PortableLog } from '../topics/contract.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { printTable } from './table.ts'
import { count, counted, jsonLine, size } from './text.ts'

/** The subcommand. */
export const mirror: Command = {
  name: 'mirror',
  summary: 'copies the records of a log to a cluster, or to another folder, and goes on where it was',
  positionals: ['from', 'to'],
  options: {
    topic: { value: 'NAME', many: true, help: 'a topic to mirror; by default all' },
    match: { value: 'REGEX', many: true, help: 'topics whose names match' },
    group: { value: 'NAME', many: true, help: 'a group whose commits are carried over' },
    groups: { value: 'REGEX', many: true, help: 'groups whose names match' },
    follow: { short: 'f', help: 'go on as the source grows, until Ctrl-C' },
    'dry-run': { help: 'tell what would be done, and do nothing' },
    id: { value: 'NAME', help: 'what the mirror keeps on the target is found under it; by default the id of the source' },
    gaps: { value: 'refuse|pass', help: 'what to do where the source deleted records before they were mirrored; by default refuse' },
    append: { help: 'mirror behind the records of others that a topic of the target has' },
    security: { value: 'FILE', help: 'JSON with the security of a cluster: { "tls": true, "sasl": { … } }' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder to write to' },
  },
  notes: [
    'Each side is a folder, or the brokers of a cluster: host:port,host:port. Topics that are missing are made. Records keep partition, time,',
    'key, value and headers, and are stored once: how far it is is kept on the target, so a mirror that was interrupted is run again. A folder',
    'to mirror from is only read, also beside the process that writes it.',
  ],
  async run(call) {
    const options = optionsOf(call)
    const source = await openSide(call, 'from')
    try {
      const target = await openSide(call, 'to', identityOf(source))
      try {
        return call.flag('dry-run') ? await printPlan(call, await planMirror(source, target, options)) : await run(call, options, { source, target })
      } finally {
        await target.close()
      }
    } finally {
      await source.close()
    }
  },
}

const BROKERS = /^(?:\[[^\]]+\]|[^/\\:,\s]+):\d{1,5}(?:,(?:\[[^\]]+\]|[^/\\:,\s]+):\d{1,5})*$/

async function openSide(call: Call, side: 'from' | 'to', of?: string): Promise<PortableLog> {
  const given = call.argument(side)
  const { signal } = call.terminal
  if (BROKERS.test(given)) {
    const file = call.text('security')
    // A run that was killed in the middle of a transaction is followed at once by one whose transactions have the same names. They are those
    // of the source and not of its path: other machines have a folder of the same name.
    const transactionalIdPrefix = `commitlog-mirror-${call.text('id') ?? of ?? call.argument('from')}`
    const security = file === undefined ? {} : securityIn(file)
    return connect({ brokers: given, clientId: 'commitlog-mirror', transactionalIdPrefix, security, signal })
  }
  if (side === 'from' || call.flag('dry-run')) return CommitLog.open(given, { readOnly: true })
  return CommitLog.open(given, { waitMs: (call.number('wait') ?? 0) * 1000, signal })
}

function securityIn(file: string): ClusterSecurity {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as ClusterSecurity
  } catch (error) {
    throw new UsageError(`--security ${file}: ${(error as Error).message}`)
  }
}

function optionsOf(call: Call): MirrorOptions {
  const [topics, patterns] = [call.texts('topic'), call.texts('match').map((text) => regExp('match', text))]
  const all = topics.length + patterns.length === 0 ? [/^/] : []
  const id = call.text('id')
  return {
    topics: [...topics, ...patterns, ...all], groups: [...call.texts('group'), ...call.texts('groups').map((text) => regExp('groups', text))],
    existing: call.flag('append') ? 'append' : 'refuse', gaps: gapsOf(call), ...(id !== undefined && { id }),
  }
}

function gapsOf(call: Call): 'refuse' | 'pass' {
  const given = call.text('gaps') ?? 'refuse'
  if (given === 'refuse' || given === 'pass') return given
  throw new UsageError(`--gaps is refuse or pass, not "${given}"`)
}

function regExp(option: string, text: string): RegExp {
  try {
    return new RegExp(text)
  } catch (error) {
    throw new UsageError(`--${option}: ${(error as Error).message}`)
  }
}

async function run(
  call: Call, options: MirrorOptions, { source, target }: { readonly source: PortableLog; readonly target: PortableLog },
): Promise<number> {
  const { screen, terminal: { signal } } = call
  const follow = call.flag('follow')
  const total = (await planMirror(source, target, options)).topics.reduce((sum, { offsets }) => sum + offsets, 0)
  let [records, bytes] = [0, 0]
  const mirroring = await begin(source, target, {
    ...options, signal, ...(follow ? {} : { until: 'end' as const }),
    onEvent: (event) => {
      if (event.type === 'retry') screen.say(`trying again in ${event.delayMs} ms: ${String((event.error as Error).message)}`)
      if (event.type === 'group-moved') screen.say(`the group ${event.group} lives on the target: it is left alone`)
      if (event.type === 'gap') screen.say(`${event.topic}-${event.partition}: offsets ${event.from} to ${event.to - 1} are gone: passed over`)
      if (event.type !== 'mirrored') return
      records += event.records
      bytes += event.bytes
      screen.bar(records, Math.max(total, records), `${counted(records, 'record')}, ${size(bytes)}`)
    },
  })
  await mirroring.done
  screen.clearBar()
  await printStatus(call, mirroring)
  // Ctrl-C is how following ends.
  if (!follow) signal.throwIfAborted()
  return 0
}

async function printStatus(call: Call, mirroring: Mirroring): Promise<void> {
  const status = await mirroring.status()
  if (call.json) for (const line of jsonLines(status)) await call.screen.print(line)
  else await call.screen.print(summary(status))
}

function jsonLines({ topics, groups }: MirrorStatus): string[] {
  const partitions = topics.flatMap(({ topic, partitions: list }) => list.map((partition) => jsonLine({ topic, ...partition })))
  return [...partitions, ...groups.map((group) => jsonLine(group))]
}

function summary({ records, bytes, lag, topics, groups }: MirrorStatus): string {
  const carried = new Set(groups.map(({ group }) => group)).size
  const left = lag === 0 ? 'nothing left' : `${counted(lag, 'offset')} left`
  return `${counted(records, 'record')}, ${size(bytes)}, of ${counted(topics.length, 'topic')}; ${counted(carried, 'group')}; ${left}`
}

async function printPlan(call: Call, { topics, groups }: MirrorPlan): Promise<number> {
  if (call.json) {
    for (const { problem, ...topic } of topics) await call.screen.print(jsonLine({ ...topic, problem: problem?.code ?? null }))
    for (const group of groups) await call.screen.print(jsonLine(group))
  } else {
    await printTable(call, [['topic', 'partitions', 'offsets', 'on the target'], ...topics.map(planRow)])
    if (groups.length > 0) await printTable(call, [['group', 'topic', 'partition', 'committed', 'lag'], ...groups.map((group) => (
      [group.group, group.topic, count(group.partition), count(group.committed), count(group.lag)]
    ))])
  }
  for (const { problem } of topics) if (problem !== undefined) call.screen.say(`${problem.message} (${problem.code})`)
  return topics.some(({ problem }) => problem !== undefined) ? 1 : 0
}

function planRow({ topic, partitions, offsets, state, problem }: PlannedTopic): string[] {
  const word = { new: 'is made', 'goes-on': 'goes on', exists: 'is there' }[state]
  return [topic, count(partitions), count(offsets), problem === undefined ? word : `refused: ${problem.code}`]
}
