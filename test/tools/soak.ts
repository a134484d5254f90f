/*
 * A listener under clients that come and go, for as long as asked: memory after a collection, handles and files must not grow, and nobody may
 * be told an error that a real Kafka would not give. Run by hand, on Node 22.18 or later:
 *
 *     node test/tools/soak.ts --minutes 10 --connections 500 --groups 50
 *
 * The clients are kafkajs, in a process of their own: test/interop/clients/js/soak.mjs.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { CommitLog } from '../../src/index.ts'
import { kafkaErrors } from '../../src/format/kafka-errors.ts'
import { listen } from '../../src/kafka/index.ts'
import { jsFolder } from '../interop/clients/toolchains.ts'

/** What members of groups that others join and leave are told, and who asks for what was just deleted. */
const usual = new Set(['REBALANCE_IN_PROGRESS', 'UNKNOWN_MEMBER_ID', 'ILLEGAL_GENERATION', 'MEMBER_ID_REQUIRED'])
const SAMPLE_MS = 10_000
const MIB = 1024 * 1024
/** Memory that may come on top in the second half: a tenth, and this. */
const SLACK_BYTES = 8 * MIB

interface Sample {
  readonly heap: number
  readonly buffers: number
  readonly resident: number
  readonly handles: number
  readonly files: number
  readonly connections: number
}

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' }, connections: { type: 'string', default: '500' }, groups: { type: 'string', default: '50' },
  },
})
setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as () => void
const folder = mkdtempSync(join(tmpdir(), 'commitlog-soak-'))
main().then(
  (complaints) => {
    for (const complaint of complaints) console.log(complaint)
    process.exitCode = complaints.length === 0 ? 0 : 1
  },
  (error: unknown) => {
    console.error(error)
    process.exitCode = 1
  },
).finally(() => rmSync(folder, { recursive: true, force: true }))

async function main(): Promise<string[]> {
  const errors = new Map<string, number>()
  const events = new Map<string, number>()
  // So little that it is full soon: the newest batches of each partition stay in memory, as far as the budget reaches.
  const log = await CommitLog.open(folder, { durability: 'os', windowBytes: 8 * MIB })
  const topicDefaults = { segmentBytes: MIB, retentionBytes: 4 * MIB }
  const kafka = await listen(log, {
    numPartitions: 4, topicDefaults, onEvent: (event) => count(events, event.type === 'malformed' ? `malformed: ${event.reason}` : event.type),
  })
  kafka.cluster.interceptor = { after: ({ api, response }) => countErrors(errors, api.name, response) }
  const sample = (): Sample => sampled(kafka.connections)
  const before = sample()
  const clients = spawn(process.execPath, [join(await jsFolder(), 'soak.mjs'), kafka.bootstrap, values.groups, values.connections], {
    stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, KAFKAJS_NO_PARTITIONER_WARNING: '1' },
  })
  const said: string[] = []
  const lines = createInterface({ input: clients.stdout })
  lines.on('line', (line) => { if (line !== 'all there') said.push(line) })
  await once(lines, 'line')

  const samples: Sample[] = []
  for (const until = performance.now() + Number(values.minutes) * 60_000; performance.now() < until;) {
    await pause(SAMPLE_MS)
    samples.push(sample())
    console.log(shown(samples.at(-1)!))
  }
  clients.stdin.write('stop\n')
  await once(clients, 'exit')
  await pause(1000)
  const after = sample()
  console.log(`before ${shown(before)}\nafter  ${shown(after)}`)
  console.log('answers with errors:', Object.fromEntries(errors))
  console.log('events:', Object.fromEntries(events), 'what clients said:', tallied(said))
  await kafka.close()
  await log.close()
  return [
    ...[...errors.keys()].filter((error) => !usual.has(error.split(' ')[1]!)).map((error) => `an unusual error: ${error}`),
    ...[...events.keys()].filter((type) => type.startsWith('malformed') || type === 'request-failed' || type === 'refused'),
    ...grown(samples),
    ...(after.connections > 0 ? [`${after.connections} connections are left`] : []),
    ...(after.handles > before.handles + 2 ? [`${after.handles} handles are left, of ${before.handles}`] : []),
  ]
}

function sampled(connections: number): Sample {
  gc()
  gc()
  const { heapUsed, arrayBuffers, rss } = process.memoryUsage()
  const files = readdirSync('/proc/self/fd').length
  return { heap: heapUsed, buffers: arrayBuffers, resident: rss, handles: process.getActiveResourcesInfo().length, files, connections }
}

/** What is more in the last quarter than in the second one: the first is warming up. */
function grown(samples: readonly Sample[]): string[] {
  if (samples.length < 8) return ['too short a time to see whether anything grows']
  const quarter = Math.floor(samples.length / 4)
  const [early, late] = [samples.slice(quarter, 2 * quarter), samples.slice(-quarter)]
  return (['heap', 'buffers', 'resident', 'handles', 'files'] as const).flatMap((what) => {
    const [from, to] = [median(early.map((one) => one[what])), median(late.map((one) => one[what]))]
    const slack = what === 'handles' || what === 'files' ? 50 : SLACK_BYTES
    return to > from * 1.1 + slack ? [`${what} grew from ${from} to ${to}`] : []
  })
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
}

/** Counts the errors of an answer, however deep they stand. */
function countErrors(errors: Map<string, number>, api: string, value: unknown): void {
  if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value)) return
  for (const [name, field] of Object.entries(value)) {
    if (name === 'errorCode' && field !== 0) count(errors, `${api} ${nameOf(field as number)}`)
    else countErrors(errors, api, field)
  }
}

function nameOf(code: number): string {
  return Object.entries(kafkaErrors).find(([, number]) => number === code)?.[0] ?? String(code)
}

function count(counts: Map<string, number>, what: string): void {
  counts.set(what, (counts.get(what) ?? 0) + 1)
}

function tallied(lines: readonly string[]): Record<string, number> {
  const counts = new Map<string, number>()
  for (const line of lines) count(counts, line)
  return Object.fromEntries(counts)
}

function shown({ heap, buffers, resident, handles, files, connections }: Sample): string {
  const mb = (bytes: number): string => `${(bytes / MIB).toFixed(1)} MiB`
  return `heap ${mb(heap)}, buffers ${mb(buffers)}, resident ${mb(resident)}, ${handles} handles, ${files} files, ${connections} connections`
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => { setTimeout(resolve, ms) })
}
