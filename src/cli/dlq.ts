/*
 * `commitlog dlq`: the dead letters of a group, listed, replayed to their topic, purged.
 */
import { checkTopicName } from '../format/names.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { type DeadLetters } from '../topics/consume/dead-letters.ts'
import { type DeadLetter } from '../topics/consume/replay.ts'
import { type Call, type Command, suggestion, UsageError } from './command.ts'
import { rangeOf } from './dump-batches.ts'
import { type CodecNames, recordLine } from './record-line.ts'
import { chosenTopics, openPlain, plainRecord, type PlainTopic, unknownTopic, withLog } from './records.ts'
import { count, counted, jsonLine, printable, recordFields } from './text.ts'

/** Ends the names of the groups that keep what was replayed. */
const MERGER = '-dlq-merger'

const actions = ['list', 'replay', 'purge'] as const

/** The subcommand. */
export const dlq: Command = {
  name: 'dlq',
  summary: 'the dead letters of a group: what it gave up of a topic, and why',
  positionals: ['folder', 'topic'],
  options: {
    group: { value: 'NAME', help: 'whose dead letters' },
    list: { help: 'show them; the default' },
    replay: { help: 'put those that were not replayed yet back to the end of the topic' },
    purge: { help: 'delete those that were replayed; with --partition and --to all below an offset' },
    partition: { value: 'N', help: 'only those in the partition of this number' },
    from: { value: 'OFFSET', help: 'only from this offset on, among the dead letters' },
    to: { value: 'OFFSET', help: 'only up to this offset, exclusive' },
    'dead-letter-topic': { value: 'NAME', help: 'where they lie, when that is not the topic that consume makes' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: ['What was replayed is remembered and not replayed again, also after an interruption; it stays until it is purged.'],
  async run(call) {
    const action = actionOf(call)
    const [folder, group] = [call.argument('folder'), call.text('group')]
    if (group === undefined || group === '') throw new UsageError('dead letters are those of a group: --group NAME')
    if (action === 'list') return withLog(folder, async (log) => list(call, await lettersOf(call, log, group)))
    const log = await CommitLog.open(folder, { create: false, waitMs: (call.number('wait') ?? 0) * 1000, signal: call.terminal.signal })
    try {
      const letters = await lettersOf(call, log, group)
      return await (action === 'replay' ? replay(call, letters) : purge(call, letters))
    } finally {
      await log.close()
    }
  },
}

/** The dead letters, and the codecs of the topic that they are of. */
interface Letters {
  readonly letters: DeadLetters<Uint8Array, Uint8Array>
  readonly codecs: CodecNames
}

function actionOf(call: Call): (typeof actions)[number] {
  const asked = actions.filter((name) => call.flag(name))
  if (asked.length > 1) throw new UsageError(`--${asked[0]} and --${asked[1]} exclude each other`)
  const [action = 'list'] = asked
  rangeOf(call)
  const [partition, to] = [call.number('partition'), call.number('to')]
  if (action === 'purge' && call.number('from') !== undefined) throw new UsageError('--from does not go with --purge: it begins with the oldest')
  if (action === 'purge' && to !== undefined && partition === undefined) throw new UsageError('--purge up to an offset needs its --partition')
  return action
}

async function lettersOf(call: Call, log: CommitLog, group: string): Promise<Letters> {
  const [info] = await chosenTopics(log, call.argument('topic'))
  const topic: PlainTopic = await openPlain(log, info!)
  const named = call.text('dead-letter-topic')
  await checkGroup(log, { topic: info!.name, group, named })
  try {
    if (named !== undefined) checkTopicName(named)
    return { letters: topic.deadLetters(group, named === undefined ? {} : { topic: named }), codecs: info! }
  } catch (error) {
    if (error instanceof TypeError || error instanceof RangeError) throw new UsageError(error.message)
    throw error
  }
}

/** A misspelt group has no dead letters, and nobody would notice. One that is there may have none. */
async function checkGroup(log: CommitLog, { topic, group, named }: {
  readonly topic: string
  readonly group: string
  readonly named: string | undefined
}): Promise<void> {
  const topics = (await log.topics()).map(({ name }) => name)
  if (named !== undefined && !topics.includes(named)) throw unknownTopic(log.folder, named, topics)
  if (named !== undefined || topics.includes(`${topic}.${group}.dlq`)) return
  const groups = (await log.groups.list()).map((info) => info.group).filter((name) => !name.endsWith(MERGER))
  if (groups.includes(group)) return
  const some = groups.length === 0 ? ': there is none' : `: there are ${groups.slice(0, 8).join(', ')}${groups.length > 8 ? ', …' : ''}`
  throw new UsageError(`there is no group "${group}" in ${log.folder}${suggestion(group, groups) || some}`)
}

function range(call: Call): { readonly partition?: number; readonly from?: number; readonly to?: number } {
  const [partition, from, to] = [call.number('partition'), call.number('from'), call.number('to')]
  return { ...(partition !== undefined && { partition }), ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
}

async function list(call: Call, { letters, codecs }: Letters): Promise<number> {
  let [found, open] = [0, 0]
  for await (const letter of letters.list(range(call))) {
    found++
    if (!letter.replayed) open++
    await (call.json ? call.screen.print(letterJson(letter)) : printLetter(call, letter, codecs))
    call.terminal.signal.throwIfAborted()
  }
  if (!call.json) await call.screen.print(found === 0 ? 'no dead letters' : `${counted(found, 'dead letter')}, ${count(open)} not replayed`)
  return 0
}

function letterJson({ info, replayed, record, headers }: DeadLetter<Uint8Array, Uint8Array>): string {
  const { topic, partition, offset, group, deliveryCount, message, timestamp, errorClass, stage } = info
  return jsonLine({
    ...recordFields({ ...plainRecord(record), headers }), replayed,
    origin: { topic: topic ?? null, partition: partition ?? null, offset: offset ?? null }, group: group ?? null,
    error: { class: errorClass ?? null, message: message ?? null, stage: stage ?? null },
    deliveryCount: deliveryCount ?? null, diedAt: timestamp ?? null,
  })
}

async function printLetter(call: Call, letter: DeadLetter<Uint8Array, Uint8Array>, codecs: CodecNames): Promise<void> {
  const { info, replayed, record, headers } = letter
  const { screen } = call
  const origin = info.topic === undefined ? 'of unknown origin' : `${info.topic}-${info.partition ?? '?'}@${info.offset ?? '?'}`
  const tries = info.deliveryCount === undefined ? '' : `, tried ${counted(info.deliveryCount, 'time')}`
  await screen.print(recordLine(screen, `${record.partition}@${record.offset}`, { ...plainRecord(record), headers }, codecs))
  const why = printable(`${info.errorClass ?? 'Error'}: ${info.message ?? ''}`)
  await screen.print(`  ${printable(origin)}${tries}, ${screen.paint(replayed ? 'green' : 'red', replayed ? 'replayed' : why)}`)
}

async function replay(call: Call, { letters }: Letters): Promise<number> {
  const { replayed, before, complete } = await letters.replay({ ...range(call), signal: call.terminal.signal })
  const words = `${counted(replayed, 'dead letter')} replayed${before === 0 ? '' : `, ${count(before)} before`}`
  await call.screen.print(call.json ? jsonLine({ topic: letters.topic, replayed, before, complete }) : words)
  if (!complete) call.screen.say('some are left: those below them have to be replayed or purged first')
  return complete ? 0 : 1
}

async function purge(call: Call, { letters }: Letters): Promise<number> {
  const { partition, to } = range(call)
  const purged = await letters.purge({ ...(partition !== undefined && { partition }), ...(to !== undefined && { before: to }) })
  await call.screen.print(call.json ? jsonLine({ topic: letters.topic, purged }) : `${counted(purged, 'dead letter')} purged`)
  return 0
}
