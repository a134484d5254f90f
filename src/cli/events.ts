/*
 * `commitlog events`: the categories of events of a log, their streams, one stream, and their projections; events out to a file of lines, and in
 * from one. What changes something opens the log as its writer.
 */
import { InputError } from '../base/input-error.ts'
import { eventStore, type LocalEventStore } from '../events/event-store.ts'
import { listStreams } from '../events/forgetting.ts'
import { projectionTables } from '../events/projections.ts'
import { storedReading } from '../events/event-lines.ts'
import { type StoredEvent } from '../events/stored-event.ts'
import { checkpointOf, CHECKPOINT_KEY, type TableName, tableTopic, type ViewCheckpoint, ViewTable } from '../events/view-table.ts'
import { builtInCodec } from '../topics/codecs.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { archive, archiveOptions, checkArchive } from './events-archive.ts'
import { type Call, type Command, suggestion, UsageError } from './command.ts'
import { exportLines } from './events-export.ts'
import { checkImport, importLines, importOptions } from './events-import.ts'
import { withLog } from './records.ts'
import { printTable } from './table.ts'
import { clipped, count, jsonLine, printable, size, time } from './text.ts'

const MOST_DATA = 120

const actions = ['streams', 'stream', 'projections', 'rebuild', 'export', `import`, 'archive'] as const
/** They change something. */
const changing: readonly (string | undefined)[] = ['rebuild', `import`, 'archive']

/** The subcommand. */
export const events: Command = {
  name: 'events',
  summary: 'the events of event stores: categories, streams, projections and how far they are; imports, exports, archives',
  positionals: ['folder'],
  options: {
    category: { value: 'NAME', help: 'the category; needed when the log has several' },
    streams: { help: 'its streams with their versions' },
    stream: { value: 'ID', help: 'the events of a stream' },
    projections: { help: 'its projections, and how far they are behind' },
    rebuild: { value: 'NAME', help: 'have a projection built anew, beside its rows, when it runs again' },
    export: { value: 'FILE', help: 'write the events as lines of JSON; "-" for stdout; goes on with a file that is there' },
    import: { value: 'FILE', help: 'store the events of such a file, "-" for stdin; what is there already is passed over' },
    ...importOptions,
    ...archiveOptions,
    from: { value: 'N', help: 'with --export: begin at this position; with --stream: at this version' },
    limit: { value: 'N', help: 'with --streams and --stream: at most so many' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  async run(call) {
    const asked = actions.filter((name) => call.flag(name) || call.text(name) !== undefined)
    if (asked.length > 1) throw new UsageError(`--${asked[0]} and --${asked[1]} exclude each other`)
    for (const name of ['from', 'limit'] as const) checkGoesWith(call, name, asked[0])
    checkArchive(call)
    checkImport(call)
    const [action] = asked
    const folder = call.argument('folder')
    if (!changing.includes(action)) return withLog(folder, (log) => look(call, log, action))
    const log = await CommitLog.open(folder, { create: false, waitMs: (call.number('wait') ?? 0) * 1000, signal: call.terminal.signal })
    try {
      if (action === 'archive') return await archive(call, await openStore(log, categoryOf(call, log)))
      return await (action === 'rebuild' ? askForRebuild(call, log) : importLines(call, (codec) => openOrMake(call, log, codec)))
    } finally {
      await log.close()
    }
  },
}

function checkGoesWith(call: Call, name: 'from' | 'limit', action: string | undefined): void {
  const fits = name === 'from' ? ['export', 'stream'] : ['streams', 'stream']
  if (call.number(name) !== undefined && !fits.includes(action ?? '')) throw new UsageError(`--${name} goes with --${fits.join(' or --')}`)
}

async function look(call: Call, log: CommitLog, action: typeof actions[number] | undefined): Promise<number> {
  if (action === undefined && call.text('category') === undefined) return listCategories(call, log)
  const name = categoryOf(call, log)
  if (action === 'projections') return listProjections(call, log, name)
  const store = await openStore(log, name)
  if (action === 'stream') return showStream(call, store)
  if (action === 'export') return exportLines(call, store)
  return printStreams(call, store)
}

async function listCategories(call: Call, log: CommitLog): Promise<number> {
  const rows = []
  for (const name of categories(log)) {
    const store = await openStore(log, name)
    const { stats: [partition] } = await log.describeTopic(name)
    rows.push({ category: name, streams: store.streamCount, nextPosition: store.durablePosition, bytes: partition!.bytes })
  }
  if (call.json) for (const row of rows) await call.screen.print(jsonLine(row))
  else if (rows.length === 0) await call.screen.print('no events')
  else {
    const cells = rows.map(({ category, streams, nextPosition, bytes }) => [category, count(streams), count(nextPosition), size(bytes)])
    await printTable(call, [['category', 'streams', 'next position', 'size'], ...cells])
  }
  return 0
}

async function printStreams(call: Call, store: LocalEventStore): Promise<number> {
  const most = call.number('limit') ?? Infinity
  const list = []
  for await (const info of listStreams(store)) {
    if (list.length >= most) break
    list.push(info)
  }
  if (call.json) for (const info of list) await call.screen.print(jsonLine(info))
  else if (list.length === 0) await call.screen.print('no streams')
  else {
    const rows = list.map(({ stream, version, exists, from }) => [printable(stream), count(version), exists ? count(from) : 'deleted'])
    await printTable(call, [['stream', 'version', 'kept from'], ...rows])
  }
  return 0
}

async function showStream(call: Call, store: LocalEventStore): Promise<number> {
  const stream = call.text('stream')!
  if (stream === '') throw new UsageError('--stream is empty')
  const [from, limit] = [call.number('from', 1), call.number('limit')]
  const { events: read, version, exists } = await store.read(stream, { ...(from !== undefined && { from }), ...(limit !== undefined && { limit }) })
  if (version === 0) throw new UsageError(`there is no stream ${JSON.stringify(stream)} in category "${store.category}"`)
  // Nobody here knows the versions of types, or the keys: data is shown as it is stored.
  const list = (read as unknown as readonly StoredEvent[]).map((event) => event.again(storedReading(store.types.codec)))
  if (call.json) {
    for (const event of list) await call.screen.print(jsonLine(event))
    return 0
  }
  const state = exists ? '' : ', deleted'
  await call.screen.print(`${call.screen.paint('bold', printable(stream))}  version ${count(version)}${state}`)
  const rows = list.map((event) => [count(event.version), time(event.time), printable(event.type), clipped(printable(dataText(event)), MOST_DATA)])
  if (rows.length > 0) await printTable(call, [['version', 'time', 'type', 'data'], ...rows])
  return 0
}

function dataText({ data }: { readonly data: unknown }): string {
  return jsonLine(data) ?? String(data)
}

async function listProjections(call: Call, log: CommitLog, category: string): Promise<number> {
  const store = await openStore(log, category)
  const end = store.durablePosition
  const rows = []
  for (const table of projectionTables(log.core, category)) {
    const checkpoint = await storedCheckpoint(log, table)
    const position = checkpoint?.position ?? 0
    rows.push({ ...table, position, end, lag: Math.max(0, end - position), live: checkpoint?.live ?? false })
  }
  if (call.json) for (const row of rows) await call.screen.print(jsonLine(row))
  else if (rows.length === 0) await call.screen.print('no projections')
  else {
    const cells = rows.map(({ projection, version, position, lag, live }) => (
      [projection, String(version), count(position), count(end), count(lag), live ? 'live' : 'being built']
    ))
    await printTable(call, [['projection', 'version', 'stored up to', 'end', 'lag', 'state'], ...cells])
  }
  return 0
}

/** How far a table is; undefined when it has no checkpoint, or none that can be read. */
async function storedCheckpoint(log: CommitLog, table: TableName): Promise<ViewCheckpoint | undefined> {
  const topic = await log.topic(tableTopic(table), { create: false })
  let found: ViewCheckpoint | undefined
  for (const record of topic.partition(0).read()) if (record.key === CHECKPOINT_KEY) found = checkpointOf(record.value)
  return found
}

/** An empty table beside the one that is used: whoever runs the projection fills it, and takes it when it is up to date. */
async function askForRebuild(call: Call, log: CommitLog): Promise<number> {
  const category = categoryOf(call, log)
  const name = call.text('rebuild')!
  const tables = projectionTables(log.core, category)
  const own = tables.filter(({ projection }) => projection === name)
  if (own.length === 0) {
    const names = [...new Set(tables.map(({ projection }) => projection))]
    throw new UsageError(`there is no projection "${name}" of category "${category}"${suggestion(name, names)}`)
  }
  const version = Math.max(...own.map((table) => table.version))
  const generations = own.filter((table) => table.version === version).map(({ generation }) => generation)
  const stored = log.core.topics.find((topic) => topic.name === tableTopic({ category, projection: name, version, generation: generations[0]! }))
  const codec = builtInCodec(stored?.value ?? '')
  if (codec === undefined) throw new InputError(`the rows of ${name} are written by a codec that this command has not: rebuild it where it runs`)
  const pending = generations.length > 1
  const generation = Math.max(...generations) + (pending ? 0 : 1)
  await ViewTable.open(log.core, { category, projection: name, version, generation }, codec)
  const told = pending ? 'is being built anew already' : 'is built anew when it runs again'
  await call.screen.print(call.json ? jsonLine({ category, projection: name, version, generation, pending }) : `${name}, version ${version}, ${told}`)
  return 0
}

function categories(log: CommitLog): string[] {
  return log.core.topics.filter((topic) => topic.events === true).map(({ name }) => name)
}

/** The category that is asked for, or the only one. */
function categoryOf(call: Call, log: CommitLog): string {
  const [all, asked] = [categories(log), call.text('category')]
  if (asked === undefined && all.length === 1) return all[0]!
  if (asked === undefined && all.length === 0) throw new UsageError(`there are no events in ${log.folder}`)
  if (asked === undefined) throw new UsageError(`--category is one of ${all.join(', ')}`)
  if (all.includes(asked)) return asked
  throw new UsageError(`there are no events of category "${asked}" in ${log.folder}${suggestion(asked, all)}`)
}

/** A category that is not there yet is made, to be written by a codec. */
async function openOrMake(call: Call, log: CommitLog, codec = 'json'): Promise<LocalEventStore> {
  const [category, asked] = [call.text('category'), call.text('value')]
  if (category === undefined || categories(log).includes(category)) {
    if (asked !== undefined) throw new UsageError('--value goes with a category that is not there yet')
    return openStore(log, categoryOf(call, log))
  }
  const value = builtInCodec(asked ?? codec)
  if (value === undefined) throw new InputError(`the codec ${JSON.stringify(asked ?? codec)} is none of this command's: import by a program`)
  return eventStore(log, { category, value })
}

async function openStore(log: CommitLog, category: string): Promise<LocalEventStore> {
  const stored = log.core.topics.find(({ name }) => name === category)?.value
  const value = stored === undefined ? undefined : builtInCodec(stored)
  if (stored !== undefined && value === undefined) {
    throw new InputError(`events "${category}" are written by the codec "${stored}", which this command has not`)
  }
  return eventStore(log, { category, ...(value !== undefined && { value }) })
}
