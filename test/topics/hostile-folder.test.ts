/*
 * Hostile bytes in every kind of file of a folder: flipped, cut out, cut off, put in, zeroed. Whatever is done with the folder then, the
 * answer is a true one or a LogError: never a crash, an error of another kind, a hang, or memory without bound.
 *
 * `SEED` repeats a run, `HOSTILE_SECONDS` makes it longer.
 */
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../src/base/clock.ts'
import { isLogError } from '../../src/base/errors.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { type FileSystem } from '../../src/files/file-system.ts'
import { type MemoryFileSystem } from '../../src/files/memory.ts'
import { batchSize } from '../../src/format/batch.ts'
import { copyLog } from '../../src/topics/backup.ts'
import { bytes } from '../../src/topics/codecs.ts'
import { CommitLog } from '../../src/topics/commit-log.ts'
import { repairLog } from '../../src/topics/repair-log.ts'
import { allFindings, verifyLog } from '../../src/topics/verify-log.ts'
import { codecInstalled } from '../tools/batches.ts'
import { allFiles, contents, FOLDER, kafkas, replace, segmentPath, smallLog } from '../tools/small-log.ts'

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 2 ** 31))
const SECONDS = Number(process.env['HOSTILE_SECONDS'] ?? 2)
/** However slow the machine is. */
const LEAST_TURNS = 4
/** Nothing here takes anywhere near so long, on a machine that is busy with other things either. */
const LONGEST_MS = 10_000
/** By which the process may grow; what others did in it before is not counted. */
const MOST_BYTES = 500 * 1024 * 1024

/** A folder, and the records that are in it, as `topic-partition value`. */
interface Subject {
  readonly name: string
  readonly files: MemoryFileSystem
  readonly truth: ReadonlySet<string>
  /** It was closed in good order: what is missing is damage. */
  readonly closed: boolean
}

const subjects: readonly { name: string; make(): Promise<MemoryFileSystem> }[] = [
  { name: 'a log that was closed', make: () => smallLog() },
  { name: 'a log whose process was killed', make: killed },
  { name: 'transactions that Kafka wrote', make: () => kafkas('txn') },
  { name: 'a folder of a Kafka that was killed', make: () => kafkas('unclean') },
  { name: 'a compacted folder of Kafka', make: () => kafkas('compacted') },
]

describe.each(subjects)('$name', ({ name, make }) => {
  const readable = codecInstalled('zstd') || !name.startsWith('transactions')

  test.runIf(readable)('answers truly or with a LogError, whatever its files hold', async () => {
    const files = await make()
    const subject = { name, files, truth: new Set(await records(files, true)), closed: name === 'a log that was closed' }
    const random = seededRandom(SEED)
    console.log(`${name}: from SEED=${SEED}`)
    const until = performance.now() + SECONDS * 1000
    const before = process.memoryUsage().rss
    let turns = 0
    for (; turns < LEAST_TURNS || performance.now() < until; turns++) {
      const { fork, told } = damaged(subject, random)
      for (const [what, use] of Object.entries(uses)) {
        const started = performance.now()
        const wrong = await use(fork.fork(), subject).then(() => undefined, (error: unknown) => (isLogError(error) ? undefined : error))
        expect({ SEED, turns, told, what, wrong }).toEqual({ SEED, turns, told, what, wrong: undefined })
        expect({ SEED, turns, told, what, fast: performance.now() - started < LONGEST_MS }).toMatchObject({ fast: true })
      }
      expect({ SEED, turns, told, small: process.memoryUsage().rss - before < MOST_BYTES }).toMatchObject({ small: true })
    }
    console.log(`${name}: ${turns} damaged folders`)
  })
})

/** What can be done with a folder. Each gets files of its own. */
const uses: Readonly<Record<string, (files: FileSystem, subject: Subject) => Promise<unknown>>> = {
  verify: async (files, { truth, closed }) => {
    const report = await verifyLog(files, FOLDER, { clock: systemClock })
    if (!closed || allFindings(report).some(({ kind }) => kind !== 'note')) return
    // What is told to be sound is all there.
    const found = new Set(await records(files, true))
    expect([...truth].filter((record) => !found.has(record))).toEqual([])
  },
  read: async (files, subject) => expectTrue(await records(files, true), subject),
  write: async (files, subject) => {
    expectTrue(await records(files, false), subject)
    expectTrue(await records(files, true), subject)
  },
  copy: (files) => copyLog(files, FOLDER, '/copy', { clock: systemClock, random: seededRandom(1), check: false }),
  repair: async (files, subject) => {
    await repairLog(files, FOLDER, { clock: systemClock, random: seededRandom(1), apply: true })
    expectTrue(await records(files, true), subject)
  },
}

/** Every record that an open of the folder gives, by offset and by time; a writer also appends one and rolls. */
async function records(files: FileSystem, readOnly: boolean): Promise<string[]> {
  const log = await CommitLog.open(FOLDER, { files, readOnly })
  const found: string[] = []
  try {
    for (const { name, key, value } of await log.topics()) {
      const topic = await log.topic(name, {
        create: false, key: { ...bytes, name: key ?? 'bytes' }, value: { ...bytes, name: value ?? 'bytes' },
      })
      for (const partition of topic.partitions) {
        for (const isolation of ['read_uncommitted', 'read_committed'] as const) {
          for (const record of partition.read({ isolation })) found.push(`${name}-${partition.partition} ${record.valueBytes?.toString('base64')}`)
        }
        partition.offsetForTimestamp(1_700_000_000_003)
        partition.maxTimestamp()
        if (readOnly) continue
        const at = partition.append({ key: Buffer.from('new'), value: Buffer.from('new') })
        await partition.durable(at)
        await partition.roll()
      }
    }
  } finally {
    await log.close()
  }
  return found
}

/** No record is made up. Whether some are missing is another question: damage may have taken them. */
function expectTrue(found: readonly string[], { truth }: Subject): void {
  const own = Buffer.from('new').toString('base64')
  expect(found.filter((record) => !truth.has(record) && !record.endsWith(` ${own}`))).toEqual([])
}

/** A fork in which one to three files are damaged, and how. */
function damaged({ files }: Subject, random: Random): { fork: MemoryFileSystem; told: string[] } {
  const fork = files.fork()
  const paths = allFiles(fork)
  const told = Array.from({ length: 1 + random.int(3) }, () => {
    const path = paths[random.int(paths.length)]!
    const [how, after] = hurt(contents(fork, path), random)
    replace(fork, path, after)
    return `${path}: ${how}`
  })
  return { fork, told }
}

function hurt(before: Buffer, random: Random): [string, Buffer] {
  const at = random.int(before.length + 1)
  const size = 1 + random.int(random.int(2) === 0 ? 8 : 400)
  const pieces = (middle: Uint8Array, skipped: number): Buffer => Buffer.concat([before.subarray(0, at), middle, before.subarray(at + skipped)])
  switch (random.int(6)) {
    case 0: {
      const after = Buffer.from(before)
      if (at < after.length) after[at]! ^= 1 << random.int(8)
      return [`a bit of byte ${at} flipped`, after]
    }
    case 1: return [`cut at ${at}`, before.subarray(0, at)]
    case 2: return [`${size} bytes cut out at ${at}`, pieces(Buffer.alloc(0), size)]
    case 3: return [`${size} bytes put in at ${at}`, pieces(random.bytes(size), 0)]
    case 4: return [`${size} bytes zeroed at ${at}`, pieces(Buffer.alloc(Math.min(size, before.length - at)), size)]
    default: return [`${size} bytes of 0xff at ${at}`, pieces(Buffer.alloc(size, 0xff), size)]
  }
}

/** The files of a log as they are while it is open: what a process leaves that is killed. */
async function killed(): Promise<MemoryFileSystem> {
  const files = await smallLog()
  const log = await CommitLog.open(FOLDER, { files })
  const topic = await log.topic('orders', { create: false, value: bytes })
  for (let number = 0; number < 10; number++) await topic.send({ key: 'k', value: Buffer.from(`more ${number}`) })
  const left = files.fork()
  await log.close()
  return left
}

describe('found by the above', () => {
  test('a base offset more than 2^31 past its segment is a torn tail, and no index is asked to hold it', async () => {
    const files = await killed()
    const path = segmentPath(files, -1)
    const size = files.statSync(path)!.size
    const log = contents(files, path)
    const batch = log.subarray(0, batchSize(log, 0))
    batch.writeBigInt64BE(2n ** 40n)
    replace(files, path, Buffer.concat([contents(files, path), batch]))
    const [report] = (await verifyLog(files, FOLDER, { clock: systemClock })).partitions
    expect(report!.findings).toMatchObject([{ kind: 'torn', position: size }])
    expect((await records(files, false)).length).toBeGreaterThan(0)
    expect(allFiles(files).filter((one) => one.includes('/torn-'))).toHaveLength(1)
  })

  test('a time index with an offset past the end is made again before anything is appended behind it', async () => {
    const files = await smallLog()
    const path = segmentPath(files, -1, 'timeindex')
    const index = contents(files, path)
    index[index.length - 4]! ^= 1
    replace(files, path, index)
    const written = await records(files, false)
    expect(written.length).toBeGreaterThan(80)
    expect(allFindings(await verifyLog(files, FOLDER, { clock: systemClock })).filter(({ kind }) => kind === 'damage')).toEqual([])
  })
})
