/*
 * `commitlog groups`: the groups of a log, one of them with its members and how far it is, its offsets set back, a group forgotten. Words and
 * columns are those of Kafka's kafka-consumer-groups where it has some.
 */
import { CommitLog } from '../topics/commit-log.ts'
import { type GroupDetails, type PartitionLag, type PartitionReset, type ResetOptions } from '../topics/groups/groups-admin.ts'
import { type Call, type Command, suggestion, UsageError } from './command.ts'
import { chosenTopics, unknownPartition, withLog } from './records.ts'
import { printTable } from './table.ts'
import { count, counted, jsonLine, printable } from './text.ts'

/** The subcommand. */
export const groups: Command = {
  name: 'groups',
  summary: 'the groups of a log, how far they are behind, and their offsets set back',
  positionals: ['folder'],
  options: {
    group: { value: 'NAME', help: 'this group, with its members and partitions' },
    reset: { value: 'WHERE', help: 'set the group to "earliest", "latest", an offset or a time (ISO 8601); says what it would do' },
    topic: { value: 'NAME', help: 'with --reset: only this topic; by default all that the group has committed for' },
    partition: { value: 'N', help: 'with --reset and --topic: only the partition of this number' },
    execute: { help: 'with --reset: do it' },
    delete: { help: 'forget the group and its offsets' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: ['Offsets are set back, and groups forgotten, while they have no members: their consumers go on from there when they come again.'],
  async run(call) {
    checkOptions(call)
    const [folder, group] = [call.argument('folder'), call.text('group')]
    const changes = call.flag('delete') || call.flag('execute')
    if (!changes) return withLog(folder, (log) => (group === undefined ? list(call, log) : show(call, log, group)))
    const log = await CommitLog.open(folder, { create: false, waitMs: (call.number('wait') ?? 0) * 1000, signal: call.terminal.signal })
    try {
      return await (call.flag('delete') ? remove(call, log, group!) : reset(call, log, group!))
    } finally {
      await log.close()
    }
  },
}

function checkOptions(call: Call): void {
  const [group, where] = [call.text('group'), call.position('reset')]
  if (group === '') throw new UsageError('--group is empty')
  for (const name of ['reset', 'delete'] as const) {
    if ((call.flag(name) || call.text(name) !== undefined) && group === undefined) throw new UsageError(`--${name} needs a group: --group NAME`)
  }
  if (where !== undefined && call.flag('delete')) throw new UsageError('--reset and --delete exclude each other')
  for (const name of ['topic', 'partition', 'execute'] as const) {
    const given = call.flag(name) || call.text(name) !== undefined
    if (given && where === undefined) throw new UsageError(`--${name} goes with --reset`)
  }
  if (call.number('partition') !== undefined && call.text('topic') === undefined) throw new UsageError('--partition needs a topic: --topic NAME')
}

async function list(call: Call, log: CommitLog): Promise<number> {
  const all = await log.groups.list()
  if (call.json) for (const { group, type, protocolType, state } of all) await call.screen.print(jsonLine({ group, type, protocolType, state }))
  else if (all.length === 0) await call.screen.print('no groups')
  else {
    const rows = all.map(({ group, type, protocolType, state }) => [printable(group), type, protocolType === '' ? '-' : protocolType, state])
    await printTable(call, [['group', 'type', 'protocol', 'state'], ...rows])
  }
  return 0
}

async function show(call: Call, log: CommitLog, group: string): Promise<number> {
  if (call.position('reset') !== undefined) return reset(call, log, group)
  await checkThere(log, group)
  const details = await log.groups.describe(group)
  const partitions = await log.groups.lag(group)
  if (call.json) await call.screen.print(jsonLine({ ...details, partitions: partitions.map(lagJson) }))
  else await print(call, details, partitions)
  return 0
}

function lagJson({ topic, partition, committed, end, lag, memberId }: PartitionLag): object {
  return { topic, partition, committed: committed ?? null, end, lag, memberId: memberId ?? null }
}

async function print(call: Call, details: GroupDetails, partitions: readonly PartitionLag[]): Promise<void> {
  const { group, state, type, assignor, generation, members } = details
  const total = partitions.reduce((sum, { lag }) => sum + lag, 0)
  const parts = [state, type, ...(assignor === '' ? [] : [assignor]), `generation ${generation}`, counted(members.length, 'member')]
  await call.screen.print(`${call.screen.paint('bold', printable(group))}  ${parts.join(', ')}, lag ${count(total)}`)
  if (members.length > 0) {
    const rows = members.map(({ memberId, instanceId = '-', clientId, host, partitions: own }) => (
      [printable(memberId), printable(instanceId), printable(host), printable(clientId), count(own.length)]
    ))
    await printTable(call, [['consumer-id', 'instance', 'host', 'client-id', 'partitions'], ...rows])
  }
  if (partitions.length === 0) return
  const rows = partitions.map(({ topic, partition, committed, end, lag, memberId }) => (
    [topic, String(partition), committed === undefined ? '-' : count(committed), count(end), count(lag), printable(memberId ?? '-')]
  ))
  await printTable(call, [['topic', 'partition', 'current-offset', 'log-end-offset', 'lag', 'consumer-id'], ...rows])
}

async function reset(call: Call, log: CommitLog, group: string): Promise<number> {
  const dryRun = !call.flag('execute')
  const options = { ...(await placesOf(call, log)), to: whereOf(call) }
  // Without a topic it is about what the group has committed: a group that there is not has nothing.
  if (options.topic === undefined) await checkThere(log, group)
  const resets = await log.groups.resetOffsets(group, { ...options, dryRun })
  if (call.json) for (const one of resets) await call.screen.print(resetJson(group, one, dryRun))
  else await printResets(call, resets, dryRun)
  return 0
}

async function placesOf(call: Call, log: CommitLog): Promise<Pick<ResetOptions, 'topic' | 'partitions'>> {
  const [topic, partition] = [call.text('topic'), call.number('partition')]
  if (topic === undefined) return {}
  const [info] = await chosenTopics(log, topic)
  if (partition === undefined) return { topic }
  if (partition >= info!.partitions) throw unknownPartition(log.folder, partition, { name: topic, count: info!.partitions })
  return { topic, partitions: [partition] }
}

function whereOf(call: Call): ResetOptions['to'] {
  const where = call.position('reset')!
  return typeof where === 'number' ? { offset: where } : where
}

function resetJson(group: string, { topic, partition, from, to }: PartitionReset, dryRun: boolean): string {
  return jsonLine({ group, topic, partition, from: from ?? null, to, executed: !dryRun })
}

async function printResets(call: Call, resets: readonly PartitionReset[], dryRun: boolean): Promise<void> {
  if (resets.length === 0) return call.screen.print('the group has committed nothing: name a topic')
  const rows = resets.map(({ topic, partition, from, to }) => [topic, String(partition), from === undefined ? '-' : count(from), count(to)])
  await printTable(call, [['topic', 'partition', 'current-offset', 'new-offset'], ...rows])
  if (dryRun) await call.screen.print('nothing was changed: --execute does it')
}

async function remove(call: Call, log: CommitLog, group: string): Promise<number> {
  await checkThere(log, group)
  await log.groups.delete(group)
  await call.screen.print(call.json ? jsonLine({ group, deleted: true }) : `deleted group ${printable(group)}`)
  return 0
}

async function checkThere(log: CommitLog, group: string): Promise<void> {
  const names = (await log.groups.list()).map((info) => info.group)
  if (names.includes(group)) return
  const some = names.length === 0 ? ': it has none' : `: it has ${names.slice(0, 8).join(', ')}${names.length > 8 ? ', …' : ''}`
  throw new UsageError(printable(`there is no group "${group}" in ${log.folder}${suggestion(group, names) || some}`))
}
