import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { copyFolder } from '../../src/files/folders.ts'
import { type FolderLock } from '../../src/files/file-system.ts'
import { lockFolder, lockHolder, type LockOptions } from '../../src/files/lock.ts'
import { type LockRecord, parseLock } from '../../src/files/lock-file.ts'
import { ownIdentity } from '../../src/files/process-identity.ts'
import { ManualClock } from '../../src/testing/manual-clock.ts'
import { type LockChild, LockWorkshop } from './lock-children.ts'

const workshop = await LockWorkshop.make()
const linux = process.platform === 'linux'
const [major, minor] = process.versions.node.split('.').map(Number) as [number, number]
const hasKernelLock = major > 22 || (major === 22 && minor >= 13)
const canUnshare = linux && spawnSync('unshare', ['-pf', '--mount-proc', 'true']).status === 0
const TAKEOVER_MS = 30_000

let folder: string
let path: string
const held: FolderLock[] = []

beforeEach(() => {
  folder = fs.mkdtempSync(join(tmpdir(), 'commitlog-lock-'))
  path = join(folder, 'commitlog.lock')
})
afterEach(async () => {
  await workshop.killAll()
  for (const lock of held.splice(0)) await lock.release()
  fs.rmSync(folder, { recursive: true })
})
afterAll(() => workshop.remove())

async function take(options: LockOptions = {}): Promise<FolderLock> {
  const lock = await lockFolder(folder, options)
  held.push(lock)
  return lock
}

function locked(detail: Record<string, unknown> = {}): object {
  return expect.objectContaining({ code: 'LOG_LOCKED', detail: expect.objectContaining(detail) })
}

/** Names in the folder, but for the file of the kernel lock, which stays. */
const names = (): string[] => fs.readdirSync(folder).filter((name) => name !== 'commitlog.lock.db').sort()

/** A lock file of this process, changed as told; its last beat is `ageMs` old. */
function forge(change: Partial<LockRecord>, ageMs = 0, at = path): void {
  const record: LockRecord = {
    ...ownIdentity(), folder: null, token: 'forged-token', since: 1000, takeoverMs: TAKEOVER_MS, kernelLock: false, released: false, ...change,
  }
  fs.writeFileSync(at, JSON.stringify(record))
  beat(ageMs, at)
}

function beat(ageMs = 0, at = path): void {
  const time = new Date(Date.now() - ageMs)
  fs.utimesSync(at, time, time)
}

// Taking and giving back -------------------------------------------------------------------------------------------------------------------

test('the holder is named in the file and in the error, and nothing is left after the release', async () => {
  const lock = await take()
  const record = parseLock(fs.readFileSync(path, 'utf8'))!
  expect(record).toMatchObject({ pid: process.pid, token: lock.holder.token, since: lock.holder.since, released: false, takeoverMs: TAKEOVER_MS })
  if (linux) expect([record.boot, record.namespace, record.started, record.folder]).not.toContain(null)
  expect(lockHolder(folder)).toEqual(lock.holder)
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: process.pid, host: lock.holder.host, since: lock.holder.since }))
  await expect(lockFolder(folder)).rejects.toThrow(`held by process ${process.pid} on ${lock.holder.host} since 2`)
  await lock.release()
  expect(names()).toEqual([])
  expect(lockHolder(folder)).toBeUndefined()
  expect([lock.confirmed, await lock.confirm()]).toEqual([false, false])
})

test('another process gets LOG_LOCKED, waits for the release, or gives up when its time or its caller says so', async () => {
  const lock = await take()
  const said = await workshop.start(folder).says()
  expect(said).toMatchObject({ code: 'LOG_LOCKED', detail: { pid: process.pid } })
  const waiting = workshop.start(folder, { waitMs: 60_000 }, { wait: true })
  await waiting.says()
  const taken = waiting.tell('take')
  await lock.release()
  expect(lockHolder(folder)?.pid ?? waiting.process.pid).toBe(waiting.process.pid)
  expect((await taken).pid).toBe(waiting.process.pid)
  const abort = new AbortController()
  const third = lockFolder(folder, { waitMs: 60_000, signal: abort.signal })
  abort.abort(new Error('enough'))
  await expect(third).rejects.toThrow('enough')
  await expect(lockFolder(folder, { signal: AbortSignal.abort(new Error('never began')) })).rejects.toThrow('never began')
  await expect(lockFolder(folder, { waitMs: 20 })).rejects.toEqual(locked({ pid: waiting.process.pid }))
  await waiting.tell('release')
  await take()
})

for (const kernelLock of [true, false]) test(`two threads exclude each other ${kernelLock ? 'with' : 'without'} a kernel lock`, async () => {
  const options = { kernelLock }
  const lock = await take(options)
  const thread = (): Worker => new Worker(join(workshop.folder, 'thread.js'), { workerData: { folder, options } })
  const first = thread()
  expect((await once(first, 'message'))[0]).toMatchObject({ code: 'LOG_LOCKED', detail: { pid: process.pid } })
  await first.terminate()
  await lock.release()
  const second = thread()
  expect((await once(second, 'message'))[0]).toHaveProperty('token')
  await expect(lockFolder(folder, options)).rejects.toEqual(locked({ pid: process.pid }))
  second.postMessage('release')
  await once(second, 'message')
  await second.terminate()
  await take(options)
})

test.skipIf(!hasKernelLock)('the lock of a thread that ended without a word is free after two missed beats', async () => {
  const worker = new Worker(join(workshop.folder, 'thread.js'), { workerData: { folder, options: {} } })
  await once(worker, 'message')
  await worker.terminate()
  const clock = new ManualClock({ now: Date.now() })
  const taking = take({ clock })
  await clock.advance(TAKEOVER_MS / 3 + 300)
  expect((await taking).confirmed).toBe(true)
})

// Who is dead, and who only looks so -----------------------------------------------------------------------------------------------------

test('the lock of a killed process is free at once', async () => {
  const child = workshop.start(folder)
  expect(await child.says()).toHaveProperty('token')
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: child.process.pid }))
  await child.kill()
  expect(lockHolder(folder)).toBeUndefined()
  await take()
})

test.skipIf(!linux)('so is that of a process whose parent has not noticed its end', async () => {
  const command = `"${process.execPath}" -e 'setInterval(() => {}, 1000); console.log(process.pid)' & exec sleep 1000`
  const parent = spawn('sh', ['-c', command], { stdio: ['ignore', 'pipe', 'inherit'] })
  const pid = Number(String((await once(parent.stdout, 'data'))[0]))
  const started = fs.readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')[19]!
  forge({ pid, started })
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid }))
  process.kill(pid, 'SIGKILL')
  while (!fs.readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z')) await new Promise(setImmediate)
  await take()
  const gone = once(parent, 'exit')
  parent.kill('SIGKILL')
  await gone
})

for (const kernelLock of [true, false]) {
  const how = kernelLock ? 'with' : 'without'
  test.skipIf(!linux)(`a stopped process ${how} a kernel lock stays the owner, however old its beat is`, async () => {
    const child = workshop.start(folder, { kernelLock })
    await child.says()
    child.process.kill('SIGSTOP')
    beat(1000 * TAKEOVER_MS)
    await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: child.process.pid }))
    await expect(lockFolder(folder, { kernelLock: false })).rejects.toEqual(locked({ pid: child.process.pid }))
    const clock = new ManualClock({ now: Date.now() })
    const waiting = expect(lockFolder(folder, { clock, waitMs: 10 * TAKEOVER_MS })).rejects.toEqual(locked({ pid: child.process.pid }))
    await clock.advance(10 * TAKEOVER_MS)
    await waiting
    child.process.kill('SIGCONT')
    expect((await child.tell('confirm')).result).toBe(true)
  })

  test(`a process ${how} a kernel lock whose event loop is blocked stays the owner`, async () => {
    const child = workshop.start(folder, { kernelLock })
    await child.says()
    child.process.send('block')
    beat(1000 * TAKEOVER_MS)
    const clock = new ManualClock({ now: Date.now() })
    const waiting = expect(lockFolder(folder, { clock, waitMs: 10 * TAKEOVER_MS })).rejects.toEqual(locked({ pid: child.process.pid }))
    await clock.advance(10 * TAKEOVER_MS)
    await waiting
    await child.kill()
    await take()
  })
}

test('an old Node without a kernel lock and a new one exclude each other', async () => {
  const old = await take({ kernelLock: false })
  expect((await workshop.start(folder).says()).code).toBe('LOG_LOCKED')
  await old.release()
  const child = workshop.start(folder)
  await child.says()
  await expect(lockFolder(folder, { kernelLock: false })).rejects.toEqual(locked({ pid: child.process.pid }))
  await child.kill()
  await take({ kernelLock: false })
})

// .ci/run names a Node of another age here; without one, `kernelLock: false` above stands for the old.
const otherNode = process.env['COMMITLOG_OTHER_NODE']
test.skipIf(otherNode === undefined)('this Node and another one exclude each other, and each takes over what the other left', async () => {
  for (const nodes of [[process.execPath, otherNode!], [otherNode!, process.execPath]] as const) {
    const [first, second] = nodes.map((node) => workshop.start(folder, {}, { node, wait: true })) as [LockChild, LockChild]
    await Promise.all([first.says(), second.says()])
    expect(await first.tell('take')).toHaveProperty('token')
    expect(await second.tell('take')).toMatchObject({ code: 'LOG_LOCKED', detail: { pid: first.process.pid } })
    await first.kill()
    expect(await second.tell('take')).toHaveProperty('token')
    await second.kill()
  }
})

test.skipIf(!linux)('a pid that was given to another process is no holder, the same one is', async () => {
  forge({ started: '1' })
  expect(lockHolder(folder)).toBeUndefined()
  const lock = await take()
  await lock.release()
  forge({})
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: process.pid }))
  await expect(lockFolder(folder, { waitMs: 20 })).rejects.toEqual(locked())
})

test.skipIf(!linux)('of a process in another pid namespace only missed beats count', async () => {
  const elsewhere = { namespace: 'pid:[1]', pid: 1 }
  forge(elsewhere)
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: 1 }))       // a fresh beat
  const clock = new ManualClock({ now: Date.now() })
  const patient = take({ clock, waitMs: 2 * TAKEOVER_MS })
  await clock.advance(TAKEOVER_MS - 1000)
  expect(lockHolder(folder)!.pid).toBe(1)
  await clock.advance(2000)
  await (await patient).release()

  forge(elsewhere, 2 * TAKEOVER_MS)       // a stale one: worth the wait, though nobody asked to wait
  const taking = take({ clock })
  await clock.advance(TAKEOVER_MS - 1000)
  expect(lockHolder(folder)!.pid).toBe(1)
  await clock.advance(2000)
  expect((await taking).confirmed).toBe(true)
})

test.skipIf(!linux)('a beat that comes after all ends the wait', async () => {
  forge({ namespace: 'pid:[1]', pid: 1 }, 2 * TAKEOVER_MS)
  const clock = new ManualClock({ now: Date.now() })
  const taking = expect(lockFolder(folder, { clock })).rejects.toEqual(locked({ pid: 1 }))
  await clock.advance(TAKEOVER_MS - 1000)
  beat(2 * TAKEOVER_MS - 1)       // of a machine whose clock is behind ours
  await clock.advance(1000)
  await taking
  expect(lockHolder(folder)!.pid).toBe(1)
})

test.skipIf(!linux)('a free kernel lock of a process in another namespace is believed after two missed beats', async () => {
  forge({ namespace: 'pid:[1]', pid: 1, kernelLock: true }, TAKEOVER_MS / 2)
  if (hasKernelLock) return void (await take())
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: 1 }))
})

test.skipIf(!linux || !hasKernelLock)('a process that lives and beats stays the owner even when its kernel lock got lost', async () => {
  forge({ kernelLock: true })
  const clock = new ManualClock({ now: Date.now() })
  const taking = expect(lockFolder(folder, { clock })).rejects.toEqual(locked({ pid: process.pid }))
  await clock.advance(TAKEOVER_MS / 6)
  beat(-1)
  await clock.advance(1000)
  await taking
})

test.skipIf(!linux)('a holder before the last boot is dead where only one kernel can have the folder, else its beats count', async () => {
  const before = { boot: '00000000-0000-0000-0000-000000000000', host: 'some-other-host' }
  forge(before)
  await (await take({ oneKernel: true })).release()
  forge(before)
  await expect(lockFolder(folder, { oneKernel: false })).rejects.toEqual(locked({ host: 'some-other-host' }))
  forge(before, 2 * TAKEOVER_MS)
  const clock = new ManualClock({ now: Date.now() })
  const taking = take({ oneKernel: false, clock })
  await clock.advance(TAKEOVER_MS + 1000)
  await taking
})

test.skipIf(!canUnshare)('pid 1 of a namespace that is gone holds nothing, a living one does', async () => {
  const child = workshop.startInNamespace(folder, { kernelLock: false })
  expect((await child.says()).pid).toBe(1)
  await expect(lockFolder(folder)).rejects.toEqual(locked({ pid: 1 }))
  await child.kill()
  beat(2 * TAKEOVER_MS)
  const clock = new ManualClock({ now: Date.now() })
  const taking = take({ clock })
  await clock.advance(TAKEOVER_MS + 1000)
  await taking
})

for (const [name, garbage] of Object.entries({
  'an empty file': '',
  'some text': 'locked by me',
  'half a lock': '{"host":"a","pid":1',
  'another shape': '[1, 2, 3]',
  'no object': 'null',
  'a token that is a path': '{"token":"../../../etc","pid":1,"since":1,"takeoverMs":1}',
  'a pid that is none': '{"token":"forged-token","pid":-1,"since":1,"takeoverMs":1}',
  'a takeover time that never ends': '{"token":"forged-token","pid":1,"since":1,"takeoverMs":1e300}',
  'a megabyte': `{"token":"forged-token","pid":1,"since":1,"takeoverMs":1,"x":"${'x'.repeat(1 << 20)}"}`,
})) test(`${name} for a lock file holds nothing: at once where no living process can have left it, else after the takeover time`, async () => {
  fs.writeFileSync(path, garbage)
  expect(parseLock(garbage)).toBeUndefined()
  expect(lockHolder(folder)).toBeUndefined()
  await (await take({ oneKernel: true })).release()
  fs.writeFileSync(path, garbage)
  await expect(lockFolder(folder, { oneKernel: false })).rejects.toEqual(expect.objectContaining({ code: 'LOG_LOCKED' }))
  const clock = new ManualClock({ now: Date.now() })
  const taking = take({ oneKernel: false, clock, waitMs: 2 * TAKEOVER_MS })
  await clock.advance(TAKEOVER_MS + 1000)
  await taking
})

test.skipIf(!linux)('a copy of a locked folder is free, and copying it does not take a lock along nor drop one', async () => {
  await take()
  const copy = `${folder}-copy`
  fs.cpSync(path, join(`${folder}-by-hand`, 'commitlog.lock'))
  const byHand = await lockFolder(`${folder}-by-hand`)
  await byHand.release()
  await copyFolder(folder, copy)
  expect(fs.readdirSync(copy)).toEqual([])
  expect((await workshop.start(folder).says()).code).toBe('LOG_LOCKED')
  for (const extra of [copy, `${folder}-by-hand`]) fs.rmSync(extra, { recursive: true })
})

test('a lock that was given back but is still there holds nothing', async () => {
  forge({ released: true })
  expect(lockHolder(folder)).toBeUndefined()
  await take()
  expect(names()).toEqual(['commitlog.lock'])
})

test('a release that cannot remove the lock file says in it that the folder is free', async () => {
  const lock = await take()
  forge({ token: 'living-claimant' }, 0, `${path}.after-${lock.holder.token}`)
  await lock.release()
  expect(parseLock(fs.readFileSync(path, 'utf8'))).toMatchObject({ token: lock.holder.token, released: true })
  fs.rmSync(`${path}.after-${lock.holder.token}`)
  await take()
  expect(names()).toEqual(['commitlog.lock'])
})

// What others left in the middle of something --------------------------------------------------------------------------------------------

test.skipIf(!linux)('claims and half-written locks of the dead are passed over and tidied up', async () => {
  forge({ started: '1' })
  forge({ started: '1', token: 'dead-claimant-1' }, 0, `${path}.after-forged-token`)
  forge({ started: '1', token: 'dead-claimant-2' }, 0, `${path}.after-dead-claimant-1`)
  forge({ started: '1', token: 'some-older-claim' }, 0, `${path}.after-long-gone-token`)
  fs.writeFileSync(`${path}.0123-4567.tmp`, '{"half')
  const lock = await take()
  expect(names()).toEqual(['commitlog.lock'])
  expect(await lock.confirm()).toBe(true)
})

test.skipIf(!linux)('a living claimant is not disturbed', async () => {
  forge({ started: '1' })
  forge({ token: 'living-claimant' }, 0, `${path}.after-forged-token`)
  const clock = new ManualClock({ now: Date.now() })
  const taking = expect(lockFolder(folder, { clock })).rejects.toEqual(expect.objectContaining({ code: 'LOG_LOCKED' }))
  await clock.advance(5000)
  await taking
  expect(names()).toEqual(['commitlog.lock', 'commitlog.lock.after-forged-token'])
})

// Holding --------------------------------------------------------------------------------------------------------------------------------

test('the lock is trusted for half the takeover time after the last beat, by either clock, and until then no longer', async () => {
  const clock = new ManualClock({ now: Date.now() })
  const lock = await take({ clock })
  expect(lock.confirmed).toBe(true)
  clock.stall(TAKEOVER_MS / 2 - 1)
  expect(lock.confirmed).toBe(true)
  clock.stall(1)
  expect(lock.confirmed).toBe(false)
  expect(await lock.confirm()).toBe(true)
  expect(lock.confirmed).toBe(true)
  clock.setNow(clock.now() + TAKEOVER_MS)       // the machine slept, and its monotonic clock with it
  expect(lock.confirmed).toBe(false)
  expect(await lock.confirm()).toBe(true)
  expect(lock.confirmed).toBe(true)
})

test('the holder beats by itself, each time with another time, and its timer keeps no process alive', async () => {
  const start = Date.now()
  const refs: unknown[] = []
  const clock = new ManualClock({ now: start })
  const setTimer: Clock['setTimer'] = (callback, delayMs, options) => {
    refs.push(options)
    return clock.setTimer(callback, delayMs)
  }
  const lock = await take({ clock: { now: () => clock.now(), monotonic: () => clock.monotonic(), defer: systemClock.defer, setTimer } })
  await clock.advance(TAKEOVER_MS / 6)
  await lock.confirm()       // waits for the beat that the timer began, and is the second one of this millisecond
  expect(fs.statSync(path).mtime.getTime()).toBe(start + TAKEOVER_MS / 6 + 1)
  await lock.confirm()
  expect(fs.statSync(path).mtime.getTime()).toBe(start + TAKEOVER_MS / 6 + 2)
  expect(refs).toEqual([{ ref: false }, { ref: false }])
})

for (const [name, lose] of Object.entries({
  'was taken over': () => {
    forge({ token: 'the-new-holder' }, 0, `${path}.new`)
    fs.renameSync(`${path}.new`, path)
  },
  'was overwritten': () => fs.writeFileSync(path, 'something else'),
  'was removed': () => fs.rmSync(path),
})) test(`a holder whose lock file ${name} finds out, and leaves the file as it is`, async () => {
  const lock = await take()
  lose()
  const left = fs.existsSync(path) && fs.readFileSync(path, 'utf8')
  expect(await lock.confirm()).toBe(false)
  expect(lock.confirmed).toBe(false)
  expect(await lock.confirm()).toBe(false)
  await lock.release()
  expect(fs.existsSync(path) && fs.readFileSync(path, 'utf8')).toBe(left)
})

test.skipIf(!linux)('a holder that was taken over from elsewhere harms nobody with a late beat or release', async () => {
  const clock = new ManualClock({ now: Date.now() })
  const sleeping = await take({ kernelLock: false, clock: new ManualClock({ now: Date.now() }) })
  const taking = take({ kernelLock: false, clock, waitMs: 2 * TAKEOVER_MS, identity: { namespace: 'pid:[1]' } })
  await clock.advance(TAKEOVER_MS + 1000)
  const winner = await taking
  const before = fs.statSync(path).mtimeMs
  await sleeping.release()
  expect(fs.statSync(path).mtimeMs).toBe(before)
  expect(await winner.confirm()).toBe(true)
  expect(await sleeping.confirm()).toBe(false)
})

// Folders that cannot be locked ------------------------------------------------------------------------------------------------------------

test('a folder that is missing, a file, or not writable is a clear error', async () => {
  await expect(lockFolder(join(folder, 'no'))).rejects.toMatchObject({ code: 'LOG_NOT_FOUND' })
  expect(lockHolder(join(folder, 'no'))).toBeUndefined()
  fs.writeFileSync(join(folder, 'file'), '')
  await expect(lockFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'LOG_NOT_A_LOG' })
  fs.chmodSync(folder, 0o555)
  const root = process.getuid?.() === 0
  const said = await workshop.start(folder, {}, root ? { uid: 65_534 } : {}).says()
  fs.chmodSync(folder, 0o755)
  expect(said).toMatchObject({ code: 'LOG_ACCESS_DENIED', message: expect.stringContaining('may not be written') })
  expect(names()).toEqual(['file'])
})

// Races ----------------------------------------------------------------------------------------------------------------------------------

test('of many processes that race for a lock exactly one wins, whatever is in the way', async () => {
  const children = Array.from({ length: 6 }, (_, index) => workshop.start(folder, { kernelLock: index % 2 === 0 }, { wait: true }))
  await Promise.all(children.map((child) => child.says()))
  const scenes: Record<string, () => void> = {
    nothing: () => {},
    'a lock that was given back': () => forge({ released: true }),
    'garbage': () => fs.writeFileSync(path, 'garbage'),
    ...(linux && {
      'a dead lock': () => forge({ started: '1' }),
      'a dead lock and a dead claim': () => {
        forge({ started: '1' })
        forge({ started: '1', token: 'dead-claimant-1' }, 0, `${path}.after-forged-token`)
      },
    }),
  }
  for (let round = 0; round < 15; round++) {
    for (const [scene, prepare] of Object.entries(scenes)) {
      prepare()
      const at = Date.now() + 5
      const said = await Promise.all(children.map((child) => child.tell(`race:${at}`)))
      const winners = said.filter((one) => one.token !== undefined)
      expect(winners, `${scene}, round ${round}: ${JSON.stringify(said)}`).toHaveLength(1)
      expect(parseLock(fs.readFileSync(path, 'utf8'))!.token).toBe(winners[0]!.token)
      expect(said.filter((one) => one.code === 'LOG_LOCKED')).toHaveLength(children.length - 1)
      await children.find((child) => child.process.pid === winners[0]!.pid)!.tell('release')
      expect(names()).toEqual([])
    }
  }
})

/** Waits until the folder went from hand to hand so often. */
async function ownerChanges(times: number): Promise<void> {
  const read = (): string => (fs.existsSync(join(folder, 'owner')) ? fs.readFileSync(join(folder, 'owner'), 'utf8') : '')
  for (let last = read(), left = times; left > 0; ) {
    await new Promise(setImmediate)
    if (read() !== last) left--
    last = read()
  }
}

test('processes that take turns, some of them killed in the middle, never hold the folder together', async () => {
  for (let round = 0; round < 3; round++) {
    const options = (index: number): object => ({ waitMs: 50_000, kernelLock: index % 2 === 0 })
    const children = Array.from({ length: 5 }, (_, index) => workshop.start(folder, { ...options(index) }, { wait: true }))
    await Promise.all(children.map((child) => child.says()))
    const killed = children.slice(0, 2)
    const kept = children.slice(2)
    for (const child of killed) child.process.send('turns:1000')
    const ends = kept.map((child) => child.tell('turns:25'))
    for (const child of killed) {
      await ownerChanges(10)
      await child.kill()
    }
    expect((await Promise.all(ends)).map((said) => said.result ?? said)).toEqual(kept.map(() => 0))
    await workshop.killAll()
  }
  await take()
})
