import fc from 'fast-check'
import { expect, test } from 'vitest'
import { seededRandom } from '../../src/base/random.ts'
import { type FileHandle } from '../../src/files/file-system.ts'
import { createFolderDurably, writeFileAtomically, writeFullySync } from '../../src/files/write-fully.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { SimulatedDisk, type SimulatedDiskOptions } from '../../src/testing/simulated-disk.ts'
import { fileSystemSuite } from '../files/conformance.ts'

fileSystemSuite('the simulated disk', () => {
  const files = new SimulatedDisk()
  files.createFolderSync('/some/folder')
  return { files, folder: '/some/folder', leave: () => expect(files.openHandles).toBe(0) }
})

function manual(options: SimulatedDiskOptions = {}): SimulatedDisk {
  return new SimulatedDisk({ seed: 1, clock: new ManualClock(), ...options })
}

function put(disk: SimulatedDisk, path: string, text: string | Uint8Array, position = 0): FileHandle {
  const file = disk.openSync(path, disk.statSync(path) === undefined ? 'create' : 'write')
  writeFullySync(file, Buffer.from(text), 0, Buffer.from(text).length, position)
  return file
}

/** A disk with `path` stored for good. */
async function stored(path: string, text: string | Uint8Array, options?: SimulatedDiskOptions): Promise<{ disk: SimulatedDisk; file: FileHandle }> {
  const disk = manual(options)
  const file = put(disk, path, text)
  await file.sync()
  await disk.syncFolder(disk.join(path, '..'))
  return { disk, file }
}

/** How often each outcome of a power cut occurs over many seeds. */
function outcomes(disk: SimulatedDisk, look: (after: SimulatedDisk) => string, seeds = 400): Map<string, number> {
  const found = new Map<string, number>()
  for (let seed = 0; seed < seeds; seed++) {
    const outcome = look(disk.fork(seed, { power: true }))
    found.set(outcome, (found.get(outcome) ?? 0) + 1)
  }
  return found
}

const letters = (text: string, each: number): Buffer => Buffer.concat([...text].map((letter) => Buffer.alloc(each, letter)))
const initials = (bytes: Buffer, each: number): string => {
  let result = ''
  for (let at = 0; at < bytes.length; at += each) result += bytes[at] === 0 ? '0' : String.fromCharCode(bytes[at]!)
  return result
}

// What a crash leaves -------------------------------------------------------------------------------------------------------------------

test('of unsynced writes any may be lost, torn between sectors, or kept without those before them', async () => {
  const { disk, file } = await stored('/a', letters('aaaaaaaaaaaaaaaa', 512))
  writeFullySync(file, letters('bb', 512), 0, 1024, 0)
  writeFullySync(file, letters('c', 512), 0, 512, 4096)
  const found = outcomes(disk, (after) => initials(after.bytes('/a'), 512))
  const rest = 'aaaaaaa'
  for (const start of ['aa', 'ab', 'ba', 'bb']) {
    for (const later of ['a', 'c']) expect(found.keys()).toContain(`${start}aaaaaa${later}${rest}`)
  }
  expect(found.size).toBe(8)
})

test('an unsynced growth may be lost, kept, kept in part, or kept as zeros', async () => {
  const { disk, file } = await stored('/a', 'x'.repeat(512))
  writeFullySync(file, letters('bc', 512), 0, 1024, 512)
  const found = outcomes(disk, (after) => `${after.bytes('/a').length} ${initials(after.bytes('/a'), 512)}`, 2000)
  for (const outcome of ['512 x', '1536 xbc', '1536 x00', '1536 x0c', '1536 xb0']) expect(found.keys()).toContain(outcome)
  const sizes = [...found.keys()].map((outcome) => Number.parseInt(outcome))
  expect(sizes.some((size) => size > 512 && size < 1024)).toBe(true)
  expect(Math.max(...sizes)).toBe(1536)
})

test('after an unsynced cut the old bytes are back or gone, never mixed with what was written since', async () => {
  const { disk, file } = await stored('/a', letters('aaaa', 512))
  file.truncateSync(512)
  writeFullySync(file, letters('bb', 512), 0, 1024, 512)
  const found = [...outcomes(disk, (after) => initials(after.bytes('/a'), 512), 2000).keys()]
  expect(found).toContain('aaaa')
  expect(found).toContain('a')
  expect(found).toContain('abb')
  expect(found.filter((outcome) => outcome !== 'aaaa' && !/^a[b0]{0,2}$/.test(outcome))).toEqual([])
})

test('what was written before a cut does not come back once the cut is known', async () => {
  const { disk, file } = await stored('/a', letters('aaaa', 512))
  writeFullySync(file, letters('b', 512), 0, 512, 1024)
  file.truncateSync(512)
  file.truncateSync(2048)
  const found = [...outcomes(disk, (after) => initials(after.bytes('/a'), 512), 2000).keys()]
  expect(found.filter((outcome) => !/^(?:aaaa|aaba|a0{0,3})$/.test(outcome))).toEqual([])
  for (const outcome of ['aaaa', 'aaba', 'a', 'a000']) expect(found).toContain(outcome)
})

test('a sector shows one of its versions, never parts of two', async () => {
  const { disk, file } = await stored('/a', letters('aaaa', 128))
  writeFullySync(file, letters('b', 128), 0, 128, 128)
  writeFullySync(file, letters('c', 128), 0, 128, 256)
  expect([...outcomes(disk, (after) => initials(after.bytes('/a'), 128)).keys()].sort()).toEqual(['aaaa', 'abaa', 'abca'])
})

test('the bytes of a write are those it was given, though their buffer is used again', async () => {
  const disk = manual()
  const buffer = Buffer.from('text')
  const file = disk.openSync('/a', 'create')
  file.writeSync(buffer, 0, 4, 0)
  buffer.fill('x')
  await file.sync()
  await disk.syncFolder('/')
  expect([...outcomes(disk, (after) => after.bytes('/a').toString()).keys()]).toEqual(['text'])
})

test('what a sync covered is never lost, whatever is written, cut or synced afterwards or meanwhile', async () => {
  const { disk, file } = await stored('/a', letters('ab', 4096))
  const sync = file.sync()
  writeFullySync(file, letters('c', 4096), 0, 4096, 8192)
  await sync
  const found = outcomes(disk, (after) => initials(after.bytes('/a').subarray(0, 8192), 4096))
  expect([...found.keys()]).toEqual(['ab'])
  const sizes = outcomes(disk, (after) => String(after.bytes('/a').length === 8192))
  expect([...sizes.keys()].sort()).toEqual(['false', 'true'])
})

test('a file whose folder was never synced may vanish, synced or not, and stays once the folder is', async () => {
  const disk = manual()
  const file = put(disk, '/a', 'text')
  await file.sync()
  const look = (after: SimulatedDisk): string => (after.paths().includes('/a') ? after.bytes('/a').toString() : 'gone')
  expect([...outcomes(disk, look).keys()].sort()).toEqual(['gone', 'text'])
  expect(disk.storedBytes('/a')).toBeUndefined()
  await disk.syncFolder('/')
  expect([...outcomes(disk, look).keys()]).toEqual(['text'])
  expect(disk.storedBytes('/a')!.toString()).toBe('text')
})

test('a file in a folder vanishes with the folder, until the folder above is synced too', async () => {
  const disk = manual()
  disk.createFolderSync('/x/y')
  await put(disk, '/x/y/a', 'text').sync()
  await disk.syncFolder('/x/y')
  await disk.syncFolder('/')
  const look = (after: SimulatedDisk): string => after.paths().join()
  expect([...outcomes(disk, look).keys()].sort()).toEqual(['', '/x/y/a'])
  await disk.syncFolder('/x')
  expect([...outcomes(disk, look).keys()]).toEqual(['/x/y/a'])
  await createFolderDurably(disk, '/x/v/w')
  await put(disk, '/x/v/w/b', 'b').sync()
  await disk.syncFolder('/x/v/w')
  expect([...outcomes(disk, look).keys()]).toEqual(['/x/v/w/b,/x/y/a'])
})

test('a folder sync covers what was there when it began, and with a rename what the renamed file needs', async () => {
  const disk = manual()
  const sync = disk.syncFolder('/')
  put(disk, '/a', '')
  await sync
  expect([...outcomes(disk, (after) => after.paths().join()).keys()].sort()).toEqual(['', '/a'])
  for (const folder of ['/x', '/y']) await createFolderDurably(disk, folder)
  put(disk, '/x/b', '')
  disk.renameSync('/x/b', '/y/c')
  await disk.syncFolder('/y')
  expect([...outcomes(disk, (after) => after.paths().filter((path) => path !== '/a').join()).keys()]).toEqual(['/y/c'])
})

test('a rename is old or new, never both and never neither, and other entries come and go in any order', async () => {
  const { disk } = await stored('/a', 'old')
  await put(disk, '/b', 'new').sync()
  await disk.syncFolder('/')
  disk.renameSync('/b', '/a')
  put(disk, '/c', '')
  const found = outcomes(disk, (after) => after.paths().map((path) => `${path}=${after.bytes(path).toString()}`).join(' '))
  expect([...found.keys()].sort()).toEqual(['/a=new', '/a=new /c=', '/a=old /b=new', '/a=old /b=new /c='])
})

test('an unsynced removal may come undone, and a name that was used twice never skips its first file', async () => {
  const { disk } = await stored('/a', 'one')
  disk.removeSync('/a')
  await put(disk, '/a', 'two').sync()
  const found = outcomes(disk, (after) => after.paths().map((path) => after.bytes(path).toString()).join())
  expect([...found.keys()].sort()).toEqual(['', 'one', 'two'])
})

test('a file that is replaced atomically is the old one or the new one, whole, after a crash at any call', async () => {
  const disk = manual({ onCall: (_call, disk) => check(disk) })
  const contents = [Buffer.alloc(5000, 'a'), Buffer.alloc(9000, 'b')]
  let allowed: string[] = ['']
  let crashes = 0
  function check(disk: SimulatedDisk): void {
    for (let seed = 0; seed < 10; seed++) {
      crashes++
      const after = disk.fork(seed, { power: true })
      expect(allowed).toContain(after.paths().includes('/f') ? after.bytes('/f').toString() : '')
    }
  }
  allowed.push(contents[0]!.toString())
  await writeFileAtomically(disk, '/f', contents[0]!)
  allowed = contents.map(String)
  await writeFileAtomically(disk, '/f', contents[1]!)
  allowed = [contents[1]!.toString()]
  check(disk)
  expect(crashes).toBeGreaterThan(100)
})

test('a killed process leaves everything it wrote, but unsynced is still unsynced', async () => {
  const { disk, file } = await stored('/a', 'old')
  writeFullySync(file, Buffer.from('new'), 0, 3, 0)
  put(disk, '/b', 'b')
  const next = disk.crash({ power: false })
  expect(next.bytes('/a').toString()).toBe('new')
  expect(next.bytes('/b').toString()).toBe('b')
  expect(next.openHandles).toBe(0)
  const look = (after: SimulatedDisk): string => `${after.bytes('/a').toString()} ${after.paths().length}`
  expect([...outcomes(next, look).keys()].sort()).toEqual(['new 1', 'new 2', 'old 1', 'old 2'])
  const again = next.openSync('/a', 'read')
  await again.sync()
  await next.syncFolder('/')
  expect([...outcomes(next, look).keys()]).toEqual(['new 2'])
})

test('the dead process can do no harm: its calls throw, and what it waits for never comes', async () => {
  const { disk, file } = await stored('/a', 'text')
  const settled: string[] = []
  void file.sync().then(() => settled.push('sync'), () => settled.push('sync'))
  await disk.lock('/')
  void disk.lock('/', { waitMs: 1e9 }).then(() => settled.push('lock'), () => settled.push('lock'))
  const next = disk.crash({ power: false })
  expect(() => file.writeSync(Buffer.from('x'), 0, 1, 0)).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect(() => disk.openSync('/b', 'create')).toThrow()
  void disk.syncFolder('/').then(() => settled.push('folder'), () => settled.push('folder'))
  await disk.runUntilIdle()
  await next.runUntilIdle()
  expect(settled).toEqual([])
  expect(next.paths()).toEqual(['/a'])
  expect((await next.lock('/')).confirmed).toBe(true)
})

// Properties -----------------------------------------------------------------------------------------------------------------------------

test('after any history a power cut leaves only what is explainable, and nothing that was synced is lost', async () => {
  await fc.assert(fc.asyncProperty(fc.integer(), fc.integer({ min: 1, max: 60 }), async (seed, steps) => {
    const disk = manual({ seed })
    const random = seededRandom(seed ^ 0x5bd1)
    const file = put(disk, '/a', '')
    await disk.syncFolder('/')
    let versions: Buffer[] = [Buffer.alloc(0)]       // since the last sync that ended, and the one that it covered
    const waiting: Promise<void>[] = []
    let failed = false       // after a failed sync, what an older version had may come back at any time
    for (let step = 0; step < steps; step++) {
      const last = versions.at(-1)!
      const dice = random.int(10)
      if (dice < 6) {
        const position = random.int(last.length + 2000)
        const bytes = Buffer.alloc(1 + random.int(3000), 1 + step)
        file.writeSync(bytes, 0, bytes.length, position)
        versions.push(spliced(last, position, bytes))
      } else if (dice < 7) {
        const size = random.int(last.length + 1000)
        file.truncateSync(size)
        versions.push(Buffer.concat([last.subarray(0, size), Buffer.alloc(Math.max(0, size - last.length))]))
      } else {
        if (random.int(8) === 0) disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
        const covered = (): void => void (versions = versions.slice(failed || !versions.includes(last) ? 0 : versions.indexOf(last)))
        waiting.push(file.sync().then(covered, () => void (failed = true)))
      }
      if (random.int(3) === 0) await Promise.all(waiting.splice(0))
      for (let cut = 0; cut < 2; cut++) checkExplainable(disk.fork(random.int(1e9), { power: true }).bytes('/a'), versions)
      expect(disk.bytes('/a').equals(versions.at(-1)!)).toBe(true)
      expect(disk.fork(step).bytes('/a').equals(versions.at(-1)!)).toBe(true)
    }
    await Promise.all(waiting)
  }), { numRuns: 150 })
})

function spliced(bytes: Buffer, position: number, change: Buffer): Buffer {
  const result = Buffer.alloc(Math.max(bytes.length, position + change.length))
  bytes.copy(result)
  change.copy(result, position)
  return result
}

/** Every byte is one that this place had in some version, or a zero above the shortest version; so is the length. */
function checkExplainable(found: Buffer, versions: readonly Buffer[]): void {
  const sizes = versions.map((version) => version.length)
  expect(found.length).toBeGreaterThanOrEqual(Math.min(...sizes))
  expect(found.length).toBeLessThanOrEqual(Math.max(...sizes))
  const stable = Math.min(...sizes)
  for (let at = 0; at < found.length; at++) {
    const known = versions.some((version) => at < version.length && version[at] === found[at])
    if (!known && !(found[at] === 0 && at >= stable)) throw new Error(`byte ${at} is ${found[at]}, which it never was`)
  }
}

test('after any history of names a power cut leaves only what is explainable, and nothing that was synced is lost', async () => {
  await fc.assert(fc.asyncProperty(fc.integer(), async (seed) => {
    const disk = manual({ seed })
    const random = seededRandom(seed ^ 0x77)
    const names = ['/p', '/q', '/r', '/s']
    let states = [new Map<string, string>()]       // since the last folder sync that ended
    let made = 0
    for (let step = 0; step < 30; step++) {
      const state = new Map(states.at(-1)!)
      const [name, other] = [names[random.int(4)]!, names[random.int(4)]!]
      if (!state.has(name)) {
        const text = `file ${++made}`
        const file = put(disk, name, text)
        await file.sync()
        file.closeSync()
        state.set(name, text)
      } else if (random.int(2) === 0) {
        disk.removeSync(name)
        state.delete(name)
      } else if (name !== other) {
        disk.renameSync(name, other)
        state.set(other, state.get(name)!)
        state.delete(name)
      }
      states.push(state)
      if (random.int(5) === 0) {
        await disk.syncFolder('/')
        states = [state]
      }
      const after = disk.fork(random.int(1e9), { power: true })
      const texts = after.paths().map((path) => after.bytes(path).toString())
      expect(new Set(texts).size).toBe(texts.length)       // no file under two names
      for (const name of names) {
        const found = after.paths().includes(name) ? after.bytes(name).toString() : undefined
        expect(states.map((some) => some.get(name))).toContain(found)
      }
      expect(disk.fork(step).paths()).toEqual([...state.keys()].sort())
    }
  }), { numRuns: 150 })
})

test('the same seed gives the same run, and another seed another one', async () => {
  const run = async (seed: number): Promise<string> => {
    const disk = manual({ seed })
    disk.inject({ verb: 'write', chance: 0.3, error: 'EIO' })
    const order: string[] = []
    const files = ['/a', '/b', '/c'].map((path) => disk.openSync(path, 'create'))
    for (const file of files) {
      try {
        file.writeSync(letters('abcd', 4096), 0, 16_384, 0)
      } catch {
        order.push('failed')
      }
    }
    await Promise.all(files.map((file) => file.sync().then(() => order.push(file.path))))
    for (const file of files) file.truncateSync(9999)
    const after = disk.crash({ power: true })
    return [order, disk.report(), after.report(), ...after.paths().map((path) => after.bytes(path).toString())].join('\n')
  }
  expect(await run(7)).toBe(await run(7))
  expect(new Set(await Promise.all([1, 2, 3, 4, 5].map(run))).size).toBe(5)
})

// Asynchronous calls ---------------------------------------------------------------------------------------------------------------------

test('calls under way end in any order, by themselves or step by step', async () => {
  const orders = new Set<string>()
  for (let seed = 0; seed < 100; seed++) {
    for (const completions of ['automatic', 'manual'] as const) {
      const disk = manual({ seed, completions })
      const order: string[] = []
      const file = put(disk, '/a', 'text')
      const all = [
        file.sync().then(() => order.push('s')),
        file.read(Buffer.alloc(4), 0, 4, 0).then(() => order.push('r')),
        disk.syncFolder('/').then(() => order.push('f')),
      ]
      if (completions === 'manual') {
        expect(disk.underWay.map((call) => call.verb)).toEqual(['sync', 'readAsync', 'syncFolder'])
        await disk.runUntilIdle()
      }
      await Promise.all(all)
      orders.add(`${completions} ${order.join('')}`)
    }
  }
  expect(orders.size).toBe(12)
})

test('a chosen call can be made to end first, and an asynchronous write takes its bytes when it ends', async () => {
  const disk = manual({ completions: 'manual' })
  const file = put(disk, '/a', '....')
  const buffer = Buffer.from('ab')
  const write = file.write(buffer, 0, 2, 1)
  const sync = file.sync()
  expect(disk.bytes('/a').toString()).toBe('....')
  buffer.write('cd')
  expect(disk.step((call) => call.verb === 'writeAsync')).toBe(true)
  expect(disk.step((call) => call.verb === 'writeAsync')).toBe(false)
  expect(await write).toBe(2)
  expect(disk.bytes('/a').toString()).toBe('.cd.')
  await disk.runUntilIdle()
  await sync
})

test('of a write under way when the process dies any beginning may be in the file', () => {
  const disk = manual({ completions: 'manual' })
  void put(disk, '/a', '....').write(Buffer.from('abcd'), 0, 4, 0)
  const found = new Set<string>()
  for (let seed = 0; seed < 100; seed++) found.add(disk.fork(seed).bytes('/a').toString())
  expect([...found].sort()).toEqual(['....', 'a...', 'ab..', 'abc.', 'abcd'])
})

// Faults ---------------------------------------------------------------------------------------------------------------------------------

test('after a failed sync the bytes are still read, a second sync succeeds, and a power cut loses them', async () => {
  const { disk, file } = await stored('/a', letters('aaaa', 4096))
  writeFullySync(file, letters('b', 4096), 0, 4096, 4096)
  disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
  await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
  await file.sync()
  expect(initials(disk.bytes('/a'), 4096)).toBe('abaa')
  expect(initials(disk.fork(1).bytes('/a'), 4096)).toBe('abaa')
  const found = outcomes(disk, (after) => initials(after.bytes('/a'), 4096))
  expect([...found.keys()].sort()).toEqual(['aaaa', 'abaa'])
  expect(found.get('aaaa')!).toBeGreaterThan(found.get('abaa')!)
})

test('growth whose sync failed is a hole under what is synced later, unless its page is written to again', async () => {
  const { disk, file } = await stored('/a', letters('a', 4096))
  writeFullySync(file, letters('bb', 4096), 0, 8192, 4096)
  disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
  await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
  writeFullySync(file, letters('c', 4096), 0, 4096, 12_288)
  await file.sync()
  expect([...outcomes(disk, (after) => initials(after.bytes('/a'), 4096)).keys()].sort()).toEqual(['a00c', 'a0bc', 'ab0c', 'abbc'])
  file.writeSync(Buffer.from('b'), 0, 1, 4096 + 100)
  await file.sync()
  expect([...outcomes(disk, (after) => initials(after.bytes('/a'), 4096)).keys()].sort()).toEqual(['ab0c', 'abbc'])
  file.truncateSync(4096)
  await file.sync()
  writeFullySync(file, letters('d', 4096), 0, 4096, 4096)
  await file.sync()
  expect([...outcomes(disk, (after) => initials(after.bytes('/a'), 4096)).keys()]).toEqual(['ad'])
})

test('a length whose sync failed is stored by the next one, and what was cut since is gone', async () => {
  const fail = async (disk: SimulatedDisk, file: FileHandle): Promise<void> => {
    disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
    await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
  }
  const look = (disk: SimulatedDisk): string[] => [...outcomes(disk, (after) => initials(after.bytes('/a'), 4096), 1000).keys()].sort()
  const grown = await stored('/a', letters('a', 4096))
  writeFullySync(grown.file, letters('b', 4096), 0, 4096, 4096)
  await fail(grown.disk, grown.file)
  const cut = grown.disk.fork(1)
  await grown.file.sync()
  expect(look(grown.disk)).toEqual(['a0', 'ab'])

  const file = cut.openSync('/a', 'write')
  file.truncateSync(4096)
  writeFullySync(file, letters('c', 4096), 0, 4096, 8192)
  expect(look(cut).filter((outcome) => !['a', 'a0', 'ab', 'a00', 'a0c'].includes(outcome))).toEqual([])
  await file.sync()
  expect(look(cut)).toEqual(['a0c'])
})

test('a cut whose sync failed is known or not, and what was written after it shows only when it is', async () => {
  const { disk, file } = await stored('/a', letters('aaa', 4096))
  file.truncateSync(4096)
  writeFullySync(file, letters('b', 4096), 0, 4096, 4096)
  disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
  await expect(file.sync()).rejects.toMatchObject({ code: 'EIO' })
  expect([...outcomes(disk, (after) => initials(after.bytes('/a'), 4096), 2000).keys()].sort()).toEqual(['a', 'a0', 'aaa', 'ab'])

  const short = await stored('/a', letters('aaaa', 512))
  short.file.truncateSync(600)
  short.disk.inject({ verb: 'sync', error: 'EIO', times: 1 })
  await expect(short.file.sync()).rejects.toMatchObject({ code: 'EIO' })
  writeFullySync(short.file, Buffer.alloc(100, 'c'), 0, 100, 700)
  const gap = (after: SimulatedDisk): string => `${after.bytes('/a').length > 700} ${after.bytes('/a')[650] ?? 'cut'}`
  expect([...outcomes(short.disk, gap, 2000).keys()].filter((found) => found === 'true 97')).toHaveLength(1)       // the cut is not known
  const written = (after: SimulatedDisk): string => (after.bytes('/a')[750] === 99 ? String(after.bytes('/a')[650]) : 'not written')
  expect([...outcomes(short.disk, written, 2000).keys()].sort()).toEqual(['0', 'not written'])
})

test('entries whose sync failed are not stored by the next one', async () => {
  const disk = manual()
  await put(disk, '/a', 'text').sync()
  disk.inject({ verb: 'syncFolder', error: 'EIO', times: 1 })
  await expect(disk.syncFolder('/')).rejects.toMatchObject({ code: 'EIO' })
  await disk.syncFolder('/')
  expect([...outcomes(disk, (after) => String(after.paths().length)).keys()].sort()).toEqual(['0', '1'])
})

test('a fault strikes by verb, path, number, chance and count, until it is switched off', async () => {
  const disk = manual()
  const end = disk.inject({ verb: ['write', 'writeAsync'], path: '/b', nth: 2, times: 1, error: 'EIO' })
  const [a, b] = [put(disk, '/a', 'text'), put(disk, '/b', 'text')]
  const write = (file: FileHandle): number => file.writeSync(Buffer.from('more'), 0, 4, 4)
  expect(write(a)).toBe(4)
  expect(() => write(b)).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect(write(b)).toBe(4)
  end()
  disk.inject({ path: /a$/, when: (call) => call.verb === 'read', error: 'EIO' })
  expect(() => a.readSync(Buffer.alloc(1), 0, 1, 0)).toThrow(expect.objectContaining({ code: 'EIO' }))
  expect(b.readSync(Buffer.alloc(1), 0, 1, 0)).toBe(1)
  disk.heal()
  expect(a.readSync(Buffer.alloc(1), 0, 1, 0)).toBe(1)
  disk.inject({ short: true })
  const shorts = Array.from({ length: 50 }, () => a.writeSync(Buffer.from('more'), 0, 4, 4))
  expect(new Set(shorts)).toEqual(new Set([1, 2, 3]))
  disk.heal()
  disk.inject({ chance: 0.5, error: 'EIO', verb: 'size' })
  const failed = Array.from({ length: 200 }, () => {
    try {
      return void a.sizeSync()
    } catch {
      return 1
    }
  }).filter(Boolean).length
  expect(failed).toBeGreaterThan(60)
  expect(failed).toBeLessThan(140)
  expect(() => disk.inject({})).toThrow(TypeError)
  expect(() => disk.inject({ error: 'EIO', short: true })).toThrow(TypeError)
})

test('the n-th call can be made to fail, each in turn, and a write that failed may have begun', async () => {
  const work = async (disk: SimulatedDisk): Promise<void> => {
    const file = disk.openSync('/a', 'create')
    writeFullySync(file, Buffer.from('text'), 0, 4, 0)
    await file.sync()
    await disk.syncFolder('/')
    disk.renameSync('/a', '/b')
  }
  const left = new Set<string>()
  let n = 1
  for (; ; n++) {
    const disk = manual({ seed: n })
    disk.failCall(n, 'EIO')
    try {
      await work(disk)
      break
    } catch (error) {
      expect(error).toMatchObject({ code: 'EIO' })
      expect(disk.journal.at(-1)).toMatchObject({ number: n, outcome: 'EIO' })
    }
  }
  expect(n).toBe(6)
  for (let seed = 0; seed < 50; seed++) {
    const disk = manual({ seed })
    disk.failCall(2)
    await expect(work(disk)).rejects.toThrow('EIO')
    left.add(disk.bytes('/a').toString())
  }
  expect([...left].sort()).toEqual(['', 't', 'te', 'tex', 'text'])
})

test('a full disk first writes less than asked, then says ENOSPC, and goes on when there is room', () => {
  const disk = manual({ capacity: 8192 })
  const file = disk.openSync('/a', 'create')
  expect(file.writeSync(new Uint8Array(10_000), 0, 10_000, 0)).toBe(8192)
  expect(() => file.writeSync(new Uint8Array(1), 0, 1, 8192)).toThrow(expect.objectContaining({ code: 'ENOSPC' }))
  expect(disk.freeBytesSync('/')).toBe(0)
  disk.capacity = 20_000
  expect(file.writeSync(new Uint8Array(1), 0, 1, 8192)).toBe(1)
  expect(disk.fork(1).freeBytesSync('/')).toBe(20_000 - 12_288)
  expect(disk.fork(1, { power: true }).freeBytesSync('/')).toBeGreaterThanOrEqual(20_000 - 12_288)
  disk.removeSync('/a')
  expect(disk.freeBytesSync('/')).toBe(20_000)
  expect(() => manual({ maxOpenFiles: 0 }).openSync('/a', 'create')).toThrow(expect.objectContaining({ code: 'EMFILE' }))
})

test('bytes can be flipped, cut, inserted, overwritten and zeroed, and the damage is there to stay', async () => {
  const { disk } = await stored('/a', 'abcdef')
  disk.flip('/a', 0, 1)
  disk.insert('/a', 2, Buffer.from('--'))
  disk.cut('/a', 1)
  disk.overwrite('/a', 4, Buffer.from('X'))
  disk.zero('/a', 5, 1)
  expect(disk.bytes('/a').toString()).toBe('cb--X\0e')
  expect([...outcomes(disk, (after) => after.bytes('/a').toString()).keys()]).toEqual(['cb--X\0e'])
})

test('a lock can be stolen, and its holder be made to doubt', async () => {
  const disk = manual()
  disk.createFolderSync('/x')
  const lock = await disk.lock('/x')
  disk.doubtLock('/x')
  expect(lock.confirmed).toBe(false)
  expect(await lock.confirm()).toBe(true)
  expect(lock.confirmed).toBe(true)
  disk.stealLock('/x')
  expect(lock.confirmed).toBe(false)
  expect(await lock.confirm()).toBe(false)
  await lock.release()
  const other = await disk.lock('/x')
  await lock.release()
  await expect(disk.lock('/x')).rejects.toMatchObject({ code: 'LOG_LOCKED' })
  await other.release()
})

test('the wait for a lock ends by the clock of the disk', async () => {
  const clock = new ManualClock()
  const disk = manual({ clock })
  await disk.lock('/')
  const second = disk.lock('/', { waitMs: 5000 })
  const failed = expect(second).rejects.toMatchObject({ code: 'LOG_LOCKED' })
  await clock.advance(4999)
  expect(clock.timers).toBe(1)
  await clock.advance(1)
  await failed
  expect(clock.timers).toBe(0)
})

test('the report names the seed, what the crash did and the last calls', async () => {
  const { disk, file } = await stored('/a', 'text', { journalLimit: 2 })
  writeFullySync(file, Buffer.from('more'), 0, 4, 4)
  expect(disk.report()).toBe('SEED=1\n5 syncFolder / ok\n6 write /a 4+4 ok')
  expect(disk.callCount).toBe(6)
  const after = disk.crash({ power: true })
  expect(after.report()).toMatch(/^SEED=\d+\nthe power was cut; entries: \w+\na file with 4 bytes stored, 8 in the cache: \d left \(\w+\)\n$/)
})
