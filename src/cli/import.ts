/*
 * `commitlog import`: lines of records into a log (import-lines.ts), or the folder of a Kafka broker as a new log (import-folder.ts).
 */
import { createReadStream } from 'node:fs'
import { type Readable } from 'node:stream'
import { LogError } from '../base/errors.ts'
import { diskFileSystem } from '../files/disk.ts'
import { CommitLog } from '../topics/commit-log.ts'
import { type Call, type Command, UsageError } from './command.ts'
import { importFolder } from './import-folder.ts'
import { ImportLines } from './import-lines.ts'

const READ_BYTES = 256 * 1024

const lineOptions = ['topic', 'partitions', 'id', 'no-settings', 'uncommitted', 'wait'] as const

/** The subcommand. */
export const importRecords: Command = {
  name: `import`,
  summary: 'stores the records of an export, or makes a log of what a Kafka broker left',
  positionals: ['file or folder', 'folder'],
  options: {
    topic: { value: 'NAME', help: 'the topic that the records get into: lines of one topic only' },
    partitions: { value: 'N', help: 'partitions of topics that are new; lines of others are a mistake' },
    id: { value: 'NAME', help: 'the group that keeps how far the import is; by default one for each log that lines are of' },
    'no-settings': { help: 'make topics that are new with default settings' },
    uncommitted: { help: 'also records that the lines say are not committed' },
    wait: { value: 'SECONDS', help: 'how long to wait while another process holds the folder' },
  },
  notes: [
    'Lines are JSON as export writes them, in either form; "-" reads stdin. Records keep partition, time, key, value and headers.',
    'Topics that are missing are made with the partitions, codecs and settings that an export tells. How far it is is committed with',
    'the records, by the offsets in the lines: an import that was interrupted is run again, and stores nothing twice.',
    'The folder of a Kafka broker, which must not run, is copied to a new folder, with the settings of its topics.',
  ],
  async run(call) {
    const path = call.argument('file or folder')
    const stat = path === '-' ? undefined : diskFileSystem.statSync(path)
    if (path !== '-' && stat === undefined) throw new LogError('LOG_NOT_FOUND', `there is no file or folder ${path}`, { path })
    if (stat?.kind !== 'folder') return importLines(call, path, stat?.kind === 'file' ? stat.size : 0)
    const given = lineOptions.find((name) => call.flag(name) || call.text(name) !== undefined)
    if (given !== undefined) throw new UsageError(`--${given} is for lines, and ${path} is a folder`)
    return importFolder(call, path, call.argument('folder'))
  },
}

async function importLines(call: Call, path: string, bytes: number): Promise<number> {
  const partitions = call.number('partitions', 1)
  const group = call.text('id')
  if (group === '') throw new UsageError('--id is empty')
  const { signal, stdin } = call.terminal
  const log = await CommitLog.open(call.argument('folder'), { waitMs: (call.number('wait') ?? 0) * 1000, signal })
  try {
    const lines: Readable = path === '-' ? stdin : createReadStream(path, { highWaterMark: READ_BYTES })
    return await new ImportLines(call, log, {
      lines, bytes, group, partitions, topic: call.text('topic'), settings: !call.flag('no-settings'),
    }).run()
  } finally {
    await log.close()
  }
}
