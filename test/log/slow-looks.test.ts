/*
 * A reader beside a writer that compacts, which is stopped for a while between two of its looks: it reads the mark, and what it sees of the
 * folder then is of any later moment, in the middle of what the writer does with the files.
 */
import { expect, test } from 'vitest'
import { isLogError } from '../../src/base/errors.ts'
import { type FileHandle, type FileSystem, type OpenMode } from '../../src/files/file-system.ts'
import { markFileNames } from '../../src/log/mark.ts'
import { SimulatedDisk } from '../../src/testing/simulated-disk.ts'
import { CompactedLog } from './compaction-model.ts'
import { type Opened, openLog, textCodecs } from './harness.ts'

const MARKS = markFileNames.map((name) => `/log/${name}`)

/** A disk on which the mark can be seen as it was, until something else is looked at. */
class OldMark {
  #marks: ReadonlyMap<string, Buffer> | undefined
  #seen = false

  /** Remembers the mark as it is now. */
  remember(disk: SimulatedDisk): void {
    this.#marks = new Map(MARKS.map((path) => [path, Buffer.from(disk.bytes(path))]))
  }

  /** The next look begins with what was remembered. */
  see(): void {
    this.#seen = true
  }

  on(disk: SimulatedDisk): FileSystem {
    return new Proxy<FileSystem>(disk, {
      get: (target, verb) => {
        if (verb === 'openSync') return (path: string, mode: OpenMode) => this.#open(target, path, mode)
        const value: unknown = Reflect.get(target, verb, target)
        if (typeof value !== 'function') return value
        return (...given: unknown[]) => {
          if (typeof given[0] !== 'string' || !(MARKS.includes(given[0]) || verb === 'join')) this.#seen = false
          return (value as (...given: unknown[]) => unknown).apply(target, given)
        }
      },
    })
  }

  #open(disk: FileSystem, path: string, mode: OpenMode): FileHandle {
    const handle = disk.openSync(path, mode)
    const bytes = this.#marks?.get(path)
    if (bytes === undefined) this.#seen = false
    if (bytes === undefined || !this.#seen) return handle
    return Object.assign(handle, {
      sizeSync: () => bytes.length,
      readSync: (buffer: Uint8Array, at: number, length: number, position: number) => bytes.copy(buffer, at, position, position + length),
    })
  }
}

/** Segments by the keys of their records: those that the reader knows, and those that come behind. */
interface Shape {
  readonly known: readonly (readonly number[])[]
  readonly behind: readonly (readonly number[])[]
}

/** What the reader reads when it looks at the n-th call of a compaction; undefined when that has fewer calls. */
async function lookAt(call: number, { known, behind }: Shape): Promise<boolean> {
  let calls = 0
  let look = (): void => {}
  const model = new CompactedLog((clock) => new SimulatedDisk({ seed: 1, clock, onCall: () => { if (calls++ === call) look() } }))
  await model.open()
  const write = async (segments: readonly (readonly number[])[]): Promise<void> => {
    for (const keys of segments) {
      for (const key of keys) await model.run({ do: 'append', key, tombstone: false })
      await model.run({ do: 'roll' })
    }
  }
  const mark = new OldMark()
  await write(known)
  const reader = await openLog(mark.on(model.disk), '/log', model.config, { clock: model.clock, readOnly: true, following: true, create: false })
  model.read(reader.log)
  await write(behind)
  mark.remember(model.disk)
  let failure: unknown
  look = () => {
    calls = Infinity
    try {
      mark.see()
      reader.log.lookAgain()
      check(model, reader)
    } catch (error) {
      failure = error
    }
  }
  calls = 0
  await model.clean()
  look = () => {}
  const looked = calls === Infinity
  await reader.log.close()
  reader.env.openFiles.closeAll()
  await model.opened.close()
  if (failure !== undefined) throw failure
  return looked
}

/** Of each key the last record is read, unless it is behind what the reader knows of; all that is read was appended, and is in order. */
function check(model: CompactedLog, { log }: Opened): void {
  const to = log.nextOffset
  // Decoded on the way: what is kept may be gone.
  const read = Array.from(log.read(textCodecs), ({ offset, key, value }) => ({ offset, key: key!, value }))
  const byOffset = new Map(model.entries.map((entry) => [entry.offset, entry]))
  read.forEach(({ offset, key, value }, index) => {
    expect(byOffset.get(offset)).toMatchObject({ key, value })
    if (index > 0) expect(offset).toBeGreaterThan(read[index - 1]!.offset)
  })
  const last = new Map(model.entries.map(({ key, offset }) => [key, offset]))
  const given = new Set(read.map(({ offset }) => offset))
  expect([...last.values()].filter((offset) => offset < to && !given.has(offset))).toEqual([])
}

const full = (from: number): number[] => Array.from({ length: 7 }, (_, number) => from + number)

// What is appended behind begins in the last segment that the reader knows.
const shapes: readonly (Shape & { readonly what: string })[] = [
  { what: 'behind those that it knows', known: [full(0)], behind: [full(10), [...full(20), 20], [30, 31], [30]] },
  { what: 'that it knows together with those behind', known: [full(0)], behind: [[10], [20], [30], full(40)] },
  { what: 'that it knows', known: [[1, 2, 3], [1, 2], [3]], behind: [[1, 2], [3, 4], [5]] },
]

for (const { what, ...shape } of shapes) {
  test(`a reader that is overtaken between its looks at mark and folder, by a compaction of segments ${what}, skips nothing`, async () => {
    let call = 0
    const wrong: string[] = []
    while (await lookAt(call, shape).catch((error: Error) => { wrong.push(`${call}: ${error.message}`); return true })) call++
    expect(call).toBeGreaterThan(30)
    expect(wrong).toEqual([])
  }, 60_000)
}

test('a reader of a partition whose folder the writer took away gets LOG_NOT_FOUND', async () => {
  const model = new CompactedLog((clock) => new SimulatedDisk({ seed: 1, clock }))
  await model.open()
  for (const key of full(0)) await model.run({ do: 'append', key, tombstone: false })
  const reader = await openLog(model.disk, '/log', model.config, { clock: model.clock, readOnly: true, following: true, create: false })
  await model.opened.close()
  model.disk.renameSync('/log/t-0', '/log/t-0.00000000000000000000000000000000-delete')
  let failure: unknown
  try {
    model.read(reader.log)
  } catch (error) {
    failure = error
  }
  expect(isLogError(failure, 'LOG_NOT_FOUND')).toBe(true)
  await reader.log.close()
  reader.env.openFiles.closeAll()
})
