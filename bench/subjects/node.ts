/*
 * Node itself, to subtract: a process that does nothing, the cost of starting one, and what the codecs cost without a log.
 */
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { type Figures, type Job, objects, type Subject } from '../job.ts'
import { summarize } from '../statistics.ts'
import { partOf } from './build.ts'

/** Bare Node. */
export const node: Subject = { memory: idle, start, appendObjects: encodeAlone }

function idle(): Figures {
  return { megabytes: (process.resourceUsage().maxRSS * 1024) / 1e6 }
}

/** What a program of each kind is. It runs as plain JavaScript, since the stripping of types is no cost of ours. */
const programs: Readonly<Record<string, (library: string, folder: string) => string>> = {
  nothing: () => '',
  import: (library) => `import ${library}`,
  whole: (library, folder) => `
    import { CommitLog, bytes, defineTopic } from ${library}
    const log = await CommitLog.open(${folder})
    const topic = await log.topic(defineTopic('bench', { value: bytes }))
    await topic.partition(0).durable(topic.partition(0).append({ value: Buffer.from('x') }))
    for (const record of topic.partition(0).read()) if (record.value.length !== 1) throw new Error('not what was appended')
    await log.close()`,
}

/** Milliseconds from starting a process to its end, median of some. `how` names the program. */
function start(job: Job): Figures {
  const times = Array.from({ length: job.records }, (_, number) => {
    const text = programs[job.how!]!(JSON.stringify(partOf(job, 'index.js')), JSON.stringify(join(job.folder, `log-${number}`)))
    const started = performance.now()
    const { status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', text], { encoding: 'utf8' })
    if (status !== 0) throw new Error(stderr)
    return performance.now() - started
  })
  return { ms: summarize(times).median }
}

/** Encodes the objects one after the other into memory that is used again: by our codecs in place, or as the library would to a Buffer. */
async function encodeAlone(job: Job): Promise<Figures> {
  const { json, msgpack } = await import(partOf(job, 'index.js')) as typeof import('../../src/index.ts')
  const { ByteWriter } = await import(partOf(job, 'parts/bytes.js')) as typeof import('../../src/base/bytes.ts')
  const { Packr } = await import('msgpackr')
  const payloads = objects(job.bytes)
  const writer = new ByteWriter(Buffer.allocUnsafeSlow(1024 * 1024))
  const packr = new Packr({ useRecords: false })
  const ours = job.how === 'json' ? json<object>() : msgpack<object>()
  const encoders: Readonly<Record<string, (value: object) => number>> = {
    msgpack: (value) => (ours.encode(value, writer), 0),
    json: (value) => (ours.encode(value, writer), 0),
    msgpackr: (value) => packr.pack(value).length,
    'JSON.stringify': (value) => Buffer.from(JSON.stringify(value)).length,
  }
  const encode = encoders[job.how!]!
  const started = performance.now()
  let size = 0
  for (let index = 0; index < job.records; index++) {
    size += encode(payloads[index & 1023]!)
    if (writer.at > 1_000_000) writer.at = 0
  }
  const ms = performance.now() - started
  if (size === 0 && writer.at === 0) throw new Error('nothing was encoded')
  return { ns: (ms * 1e6) / job.records }
}
