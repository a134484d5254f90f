/*
 * Many streams against the simplest model, a version for each: 20,000 events in 1,000 streams, or as many as EVENTS_COUNT says, 20 to a stream
 * (EVENTS_COUNT=10000000 takes some minutes, 4 GB of disk, and prints what it took).
 */
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { defineEvents, eventStore, type LocalEventStore } from '../../src/events/index.ts'
import { isLogError } from '../../src/index.ts'
import { diskLog, freshFolder } from '../topics/harness.ts'

type Counted = { readonly type: 'Counted'; readonly data: { readonly stream: number; readonly version: number; readonly padding: string } }

const given = process.env['EVENTS_COUNT']
const EVENTS = Number(given ?? 20_000)
const EVENTS_A_STREAM = 20
const STREAMS = EVENTS / EVENTS_A_STREAM
const IN_FLIGHT = 256
const SEED = Number(process.env['SEED'] ?? 1)
const PADDING = '.'.repeat(given === undefined ? 20 : 200)

const Many = defineEvents<Counted>('many', { settings: { durability: 'os' } })

test('many streams have their versions and one order, also after a close', async () => {
  const folder = freshFolder()
  const random = seededRandom(SEED)
  const versions = new Uint32Array(STREAMS)
  const steps: Record<string, string> = {}
  const timed = async <T>(what: string, count: number, work: () => Promise<T>): Promise<T> => {
    const started = performance.now()
    const result = await work()
    const ms = performance.now() - started
    steps[what] = `${Math.round(ms)} ms, ${Math.round((count / ms) * 1000)}/s`
    return result
  }
  for (const half of ['first', 'second']) {
    const log = await diskLog(folder)
    const store = await timed(`open for the ${half} half`, 1, () => eventStore(log, Many))
    await timed(`append the ${half} half`, EVENTS / 2, () => append(store, versions, random, EVENTS / 2))
    await log.close()
  }
  const log = await diskLog(folder)
  const store = await timed('open', 1, () => eventStore(log, Many))
  expect(store.streamCount).toBe(versions.filter((version) => version > 0).length)
  await timed('read all', EVENTS, () => readAll(store, versions))
  const some = Math.min(STREAMS, 20_000)
  await timed(`read ${some} streams`, some, () => readStreams(store, versions, random, some))
  await log.close()
  steps['memory'] = `${Math.round(process.memoryUsage.rss() / 2 ** 20)} MiB`
  if (given !== undefined) console.log(`${EVENTS} events in ${STREAMS} streams, SEED=${SEED}`, steps)
}, 3_600_000)

/** Streams by chance; one append in sixteen expects the wrong version. */
async function append(
  store: LocalEventStore<Counted>, versions: Uint32Array, random: ReturnType<typeof seededRandom>, count: number,
): Promise<void> {
  for (let left = count; left > 0;) {
    const under: Promise<unknown>[] = []
    while (left > 0 && under.length < IN_FLIGHT) {
      const stream = random.int(STREAMS)
      const version = versions[stream]!
      if (random.int(16) === 0) {
        under.push(conflict(store, stream, version))
        continue
      }
      versions[stream]!++
      left--
      const data = { stream, version: version + 1, padding: PADDING }
      under.push(store.append(idOf(stream), { type: 'Counted', data }, { expected: version }).then((result) => {
        if (result.version !== version + 1 || result.created !== (version === 0)) throw new Error(`${version} became ${JSON.stringify(result)}`)
      }))
    }
    await Promise.all(under)
  }
}

async function conflict(store: LocalEventStore<Counted>, stream: number, version: number): Promise<void> {
  try {
    await store.append(idOf(stream), { type: 'Counted', data: { stream, version: -1, padding: '' } }, { expected: version + 1 })
  } catch (error) {
    if (isLogError(error, 'LOG_VERSION_CONFLICT') && error.detail['current'] === version) return
    throw error
  }
  throw new Error(`an append to ${idOf(stream)} at ${version} expected ${version + 1}, and was stored`)
}

async function readAll(store: LocalEventStore<Counted>, versions: Uint32Array): Promise<void> {
  const seen = new Uint32Array(versions.length)
  let last = -1
  for await (const batch of store.all({ until: 'end' }).batches()) {
    for (const { stream, version, position, data } of batch) {
      const right = stream === idOf(data.stream) && version === data.version && version === ++seen[data.stream]! && position === ++last
      if (!right) throw new Error(`version ${version} of ${stream} at ${position}: ${JSON.stringify(data)}`)
    }
  }
  expect(seen.every((version, stream) => version === versions[stream])).toBe(true)
}

async function readStreams(
  store: LocalEventStore<Counted>, versions: Uint32Array, random: ReturnType<typeof seededRandom>, count: number,
): Promise<void> {
  for (let number = 0; number < count; number++) {
    const stream = random.int(STREAMS)
    const { events, version } = await store.read(idOf(stream))
    const right = version === versions[stream] && events.length === version &&
      events.every((event, index) => event.version === index + 1 && event.data.stream === stream && event.data.version === index + 1)
    if (!right) throw new Error(`${idOf(stream)} reads ${JSON.stringify(events)}, and has ${versions[stream]} events`)
  }
}

function idOf(stream: number): string {
  return `stream-${String(stream).padStart(13, '0')}`
}
