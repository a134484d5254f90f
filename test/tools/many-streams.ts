/*
 * Ten million events in half a million streams against a version and a hash for each (test/events/many-streams.ts), over processes that end by a
 * close or by SIGKILL. Run by hand, on Node 22.18 or later; it takes some minutes and 5 GB of disk:
 *
 *     node test/tools/many-streams.ts [--folder DIR] [--events 10000000] [--streams 500000] [--stages 8] [--seed N]
 *
 * `--stage N` does one of the stages: each looks at what the one before left, appends its share, and ends; odd ones are killed. The last one only
 * looks, and reads streams.
 */
import { spawnSync } from 'node:child_process'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { seededRandom } from '../../src/base/random.ts'
import { eventStore } from '../../src/events/event-store.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { Many, ManyStreams } from '../events/many-streams.ts'

const PADDING = 200
/** Streams that the last stage reads. */
const READ = 20_000

const { values } = parseArgs({
  options: {
    folder: { type: 'string' }, events: { type: 'string', default: '10000000' }, streams: { type: 'string', default: '500000' },
    stages: { type: 'string', default: '8' }, seed: { type: 'string', default: '1' }, stage: { type: 'string' },
  },
})
const [events, streams, stages, seed] = [values.events, values.streams, values.stages, values.seed].map(Number) as [number, number, number, number]

if (values.stage !== undefined) await stage(values.folder!, Number(values.stage))
else allStages()

function allStages(): void {
  const folder = values.folder ?? mkdtempSync(join(tmpdir(), 'commitlog-many-'))
  const program = fileURLToPath(import.meta.url)
  try {
    for (let number = 0; number <= stages; number++) {
      const words = ['--folder', folder, ...Object.entries(values).flatMap(([name, value]) => (name === 'folder' ? [] : [`--${name}`, value]))]
      const { status, signal } = spawnSync(process.execPath, [program, ...words, '--stage', String(number)], { stdio: 'inherit' })
      if (status === 0 || (signal === 'SIGKILL' && isKilled(number))) continue
      process.exitCode = 1
      return
    }
  } finally {
    if (values.folder === undefined) rmSync(folder, { recursive: true, force: true })
  }
}

function isKilled(number: number): boolean {
  return number < stages && number % 2 === 1
}

async function stage(folder: string, number: number): Promise<void> {
  const took: Record<string, string> = {}
  const timed = async <T>(what: string, count: number, work: () => Promise<T>): Promise<T> => {
    const started = performance.now()
    const result = await work()
    const ms = performance.now() - started
    took[what] = count === 0 ? `${Math.round(ms)} ms` : `${Math.round(ms)} ms, ${Math.round((count / ms) * 1000)}/s`
    return result
  }
  const path = join(folder, 'ledger')
  if (number === 0) writeFileSync(path, '')
  const many = new ManyStreams(streams, PADDING)
  many.replay(new Uint32Array(new Uint8Array(readFileSync(path)).buffer))
  const ledger = { add: (pairs: Uint32Array): void => appendFileSync(path, Buffer.from(pairs.buffer, pairs.byteOffset, pairs.byteLength)) }
  const random = seededRandom(seed + number)
  const log = await timed('open', 0, () => CommitLog.open(join(folder, 'log')))
  const store = await timed('open the store', 0, () => eventStore(log, Many))
  if (number > 0) ledger.add(await timed('look at all', many.events, () => many.check(store, isKilled(number - 1))))
  if (number === stages) await timed('read streams', READ, () => many.readSome(store, random, READ))
  else {
    const share = Math.ceil((events - many.events) / (stages - number))
    await timed('append', share, () => many.append(store, random, share, ledger))
  }
  const memory = process.memoryUsage()
  took['memory'] = `${mib(memory.rss)} MiB, heap ${mib(memory.heapUsed)} MiB, external ${mib(memory.external)} MiB`
  const text = Object.entries(took).map(([what, value]) => `${what}: ${value}`).join('; ')
  const done = `stage ${number}, SEED=${seed}: ${many.events} events in ${store.streamCount} streams, ${JSON.stringify(many.counts)}; ${text}\n`
  process.stdout.write(done)
  if (isKilled(number)) {
    // In the middle of appends.
    void many.append(store, random, events, ledger)
    setTimeout(() => process.kill(process.pid, 'SIGKILL'), 50 + random.int(200))
    return
  }
  await timed('close', 0, () => log.close())
  process.stdout.write(`stage ${number}: close ${took['close']}\n`)
}

function mib(bytes: number): number {
  return Math.round(bytes / 2 ** 20)
}
