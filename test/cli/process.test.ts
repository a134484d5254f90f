/*
 * The command as users run it: a process of its own, with its exit code, pipes and signals, also beside a process that writes.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { diskFileSystem } from '../../src/files/disk.ts'
import { commitlog as inThisProcess } from '../tools/command.ts'
import { type Outside, outsideProject, type Ran, run } from '../tools/outside.ts'
import { installPacked } from '../tools/packed.ts'
import { flip } from '../tools/small-log.ts'

let outside: Outside
let program: string
let data: string

beforeAll(async () => {
  outside = await outsideProject(installPacked)
  program = join(outside.folder, 'node_modules/commitlog/dist/cli/commitlog.js')
  data = join(outside.folder, 'data')
  // Some MiB: far more than a pipe holds.
  const lines = Array.from({ length: 20_000 }, (_, number) => `k${number % 100}=value number ${number} ${'x'.repeat(100)}\n`).join('')
  const producing = start('produce', data, 'orders', '--key-separator', '=', '--partitions', '3')
  producing.stdin!.end(lines)
  expect(await ended(producing)).toBe(0)
}, 300_000)

afterAll(() => outside.remove())

function start(...words: string[]): ChildProcess {
  return spawn(process.execPath, [program, ...words], { stdio: ['pipe', 'pipe', 'pipe'] })
}

/** Ends when the process has; reads what nobody else does. */
async function ended(child: ChildProcess): Promise<number | null> {
  for (const stream of [child.stdout!, child.stderr!]) if (stream.listenerCount('data') === 0) stream.resume()
  const [code] = (await once(child, 'exit')) as [number | null]
  return code
}

function commitlog(...words: string[]): Promise<Ran> {
  return run(process.execPath, [program, ...words], { cwd: outside.folder })
}

/** Everything that a process prints up to a text. */
async function printed(child: ChildProcess, text: string): Promise<string> {
  let seen = ''
  for await (const chunk of child.stdout!) {
    seen += String(chunk)
    if (seen.includes(text)) return seen
  }
  return seen
}

test('exit codes are 0, 1 for damage and 2 for a mistake', async () => {
  expect((await commitlog('verify', data)).code).toBe(0)
  expect((await commitlog('verify', join(outside.folder, 'missing'))).code).toBe(2)
  expect((await commitlog('vrify', data)).code).toBe(2)
  const copy = join(outside.folder, 'damaged')
  expect((await commitlog('backup', data, copy)).code).toBe(0)
  flip(diskFileSystem, join(copy, 'orders-1/00000000000000000000.log'), 100)
  const found = await commitlog('verify', copy)
  expect(found.code).toBe(1)
  expect(found.stdout).toContain('orders-1/00000000000000000000.log @0')
  expect((await commitlog('backup', copy, join(outside.folder, 'never'))).code).toBe(1)
  expect((await commitlog('repair', copy)).code).toBe(1)
  expect((await commitlog('repair', copy, '--yes')).code).toBe(0)
  expect((await commitlog('verify', copy)).code).toBe(0)
})

test('a reader that goes away ends the command quietly', async () => {
  const dumping = start('dump', '--json', data)
  let err = ''
  dumping.stderr!.on('data', (chunk) => { err += String(chunk) })
  await once(dumping.stdout!, 'readable')
  dumping.stdout!.destroy()
  const [code] = (await once(dumping, 'exit')) as [number]
  expect({ code, err }).toEqual({ code: 0, err: '' })
})

test('following ends with 0 when the reader goes away, also when no more records come', async () => {
  const following = start('tail', '--follow', '--lines', '1', data, 'orders')
  let err = ''
  following.stderr!.on('data', (chunk) => { err += String(chunk) })
  await once(following.stdout!, 'readable')
  following.stdout!.destroy()
  const [code] = (await once(following, 'exit')) as [number]
  expect({ code, err }).toEqual({ code: 0, err: '' })
})

test('a slow reader is waited for: the command holds little of what it has to print', async () => {
  const dumping = start('dump', '--json', data)
  let bytes = 0
  for await (const chunk of dumping.stdout!) {
    bytes += (chunk as Buffer).length
    await new Promise((resolve) => setImmediate(resolve))
  }
  expect(bytes).toBeGreaterThan(4_000_000)
  expect(dumping.exitCode ?? (await ended(dumping))).toBe(0)
})

test('beside a writer: topics, verify, dump, tail and backup, and none of them holds it up', async () => {
  const folder = join(outside.folder, 'live')
  const writing = start('produce', folder, 'orders')
  const following = { child: undefined as ChildProcess | undefined }
  try {
    writing.stdin!.write('first\n')
    for (let code: number | undefined; code !== 0; ) code = (await commitlog('tail', folder, 'orders', '--json')).stdout.includes('Zmlyc3Q=') ? 0 : 1
    const child = (following.child = start('tail', '--follow', folder, 'orders'))
    await printed(child, 'first')
    for (const words of [['topics', folder], ['verify', folder], ['dump', folder], ['backup', folder, join(outside.folder, 'copy')]]) {
      const { code, stderr } = await commitlog(...words)
      expect({ words, code, stderr }).toEqual({ words, code: 0, stderr: '' })
    }
    const locked = await commitlog('repair', folder, '--yes')
    expect(locked.code).toBe(1)
    expect(locked.stderr).toContain(`${writing.pid}`)
    writing.stdin!.end('second\n')
    expect(await ended(writing)).toBe(0)
    expect((await commitlog('tail', join(outside.folder, 'copy'), 'orders')).stdout).toContain('first')
  } finally {
    writing.kill('SIGKILL')
    following.child?.kill('SIGKILL')
  }
})

test.runIf(process.platform !== 'win32')('Ctrl-C ends following with 0, and producing with 130 after what was read is stored', async () => {
  const folder = join(outside.folder, 'stopped')
  const writing = start('produce', folder, 'orders')
  writing.stdin!.write('one\ntwo\n')
  for (let seen = ''; !seen.includes('two'); ) seen = (await commitlog('tail', folder, 'orders')).stdout
  writing.kill('SIGINT')
  expect(await ended(writing)).toBe(130)
  const following = start('tail', '--follow', folder, 'orders')
  await once(following.stdout!, 'readable')
  following.kill('SIGINT')
  expect(await ended(following)).toBe(0)
  expect((await commitlog('verify', folder)).stdout).toContain('2 records')
})

test.runIf(process.platform !== 'win32')('serve --test ends with its stdin, also when its event loop is held for ever', async () => {
  const hold = 'writeSync(2, "held"); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)'
  const held = `data:text/javascript,import { writeSync } from "node:fs"; process.on("SIGUSR2", () => { ${hold} })`
  const serving = spawn(process.execPath, ['--import', held, program, 'serve', '--test', '--json', '--until-stdin-ends'])
  try {
    const end = once(serving, 'exit')
    await printed(serving, '"listening"')
    serving.kill('SIGUSR2')
    await once(serving.stderr, 'data')
    serving.stdin.end()
    expect(await end).toEqual([null, 'SIGKILL'])
  } finally {
    serving.kill('SIGKILL')
  }
})

test.runIf(process.platform !== 'win32')('serve --test ends with SIGTERM while its stdin goes on', async () => {
  const serving = start('serve', '--test', '--json', '--until-stdin-ends')
  const end = ended(serving)
  await printed(serving, '"listening"')
  serving.kill('SIGTERM')
  expect(await end).toBe(0)
})

test('an import that is killed again and again stores every record once', async () => {
  const [source, folder] = [join(outside.folder, 'lines'), join(outside.folder, 'imported')]
  const count = 60_000
  const lines = Array.from({ length: count }, (_, number) => {
    const topic = number < count / 2 ? 'a' : 'b'
    return JSON.stringify({ topic, partition: number % 2, offset: number, ts: number, key: null, payload: `value ${number}` })
  })
  writeFileSync(source, `${lines.join('\n')}\n`)
  for (const killAt of [1, 5_000, 20_000, 35_000, 50_000]) {
    const importing = start('import', source, folder, '--wait', '60')
    const end = ended(importing)
    while (importing.exitCode === null && (await stored(folder)) < killAt) await new Promise((resolve) => setImmediate(resolve))
    expect(importing.exitCode).toBeNull()
    importing.kill('SIGKILL')
    await end
  }
  const whole = await commitlog('import', source, folder, '--wait', '60', '--json')
  expect(whole).toMatchObject({ code: 0, stderr: '' })
  const { records, there } = JSON.parse(whole.stdout) as { records: number; there: number }
  expect(records + there).toBe(count)
  expect(there).toBeGreaterThan(0)
  const found = (await inThisProcess(['export', folder, '--format', 'kcat'])).lines.map((line) => (JSON.parse(line) as { payload: string }).payload)
  expect(found).toHaveLength(count)
  expect(new Set(found).size).toBe(count)
  expect((await commitlog('verify', folder)).code).toBe(0)
}, 120_000)

/** How many offsets readers of a log that may not be there yet can see. */
async function stored(folder: string): Promise<number> {
  const { lines } = await inThisProcess(['topics', folder, '--json'])
  const topics = lines.map((line) => JSON.parse(line) as { topic: string; partitions: { highWatermark: number }[] })
  return topics.filter(({ topic }) => !topic.startsWith('__'))
    .reduce((sum, { partitions }) => sum + partitions.reduce((inner, { highWatermark }) => inner + highWatermark, 0), 0)
}
