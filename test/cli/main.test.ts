import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { commitlog } from '../tools/command.ts'

const commands = ['topics', 'groups', 'dump', 'verify', 'repair', 'tail', 'produce', 'export', 'import', 'compact', 'dlq', 'backup', 'restore']
let root: string
let data: string

beforeAll(async () => {
  root = mkdtempSync(join(tmpdir(), 'commitlog-cli-'))
  data = join(root, 'data with ümläuts')
  await commitlog(['produce', data, 'orders', '--key-separator', '=', '--partitions', '2'], { input: ['a=1\nb=2\nc=3\n'] })
})

afterAll(() => rmSync(root, { recursive: true, force: true }))

test('the help names every command, and each has a help of its own', async () => {
  const { code, out } = await commitlog(['--help'])
  expect(code).toBe(0)
  for (const name of commands) {
    expect(out).toContain(`  ${name} `)
    const own = await commitlog([name, '--help'])
    expect(own).toMatchObject({ code: 0, err: '' })
    expect(own.out).toContain(`commitlog ${name} <`)
    expect((await commitlog(['help', name])).out).toBe(own.out)
  }
})

test('no line of a help is longer than a terminal is wide', async () => {
  for (const words of [['--help'], ...commands.map((name) => [name, '--help'])]) {
    for (const line of (await commitlog(words)).lines) expect(line.length).toBeLessThanOrEqual(132)
  }
})

test('the version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }
  expect(await commitlog(['--version'])).toMatchObject({ code: 0, out: `${version}\n` })
})

test('without a command it says how it is used', async () => {
  const { code, out, err } = await commitlog([])
  expect({ code, out }).toEqual({ code: 2, out: '' })
  expect(err).toContain('commitlog <command>')
})

describe('a wrong command, option or folder is one clear line and code 2', () => {
  for (const [words, line] of [
    ['dmp DATA', ': unknown command "dmp": did you mean "dump"?'],
    ['frobnicate', ': unknown command "frobnicate": see commitlog --help'],
    ['--jsn', ': unknown option "--jsn": options stand behind the command, see commitlog --help'],
    ['help verfy', ': unknown command "verfy": did you mean "verify"?'],
    ['dump DATA --tpic orders', ' dump: unknown option "--tpic": did you mean "--topic"?'],
    ['dump DATA -x', ' dump: unknown option "-x"'],
    ['dump DATA --json=yes', ' dump: --json takes no value'],
    ['dump DATA --partition', ' dump: --partition needs a value: --partition N'],
    ['dump DATA --partition one', ' dump: --partition takes a whole number of at least 0, not "one"'],
    ['dump DATA --partition -1', ' dump: --partition takes a whole number of at least 0, not "-1"'],
    ['dump', ' dump: <folder or file> is missing: commitlog dump <folder or file>'],
    ['dump ', ' dump: <folder or file> is empty'],
    ['verify DATA orders', ' verify: unexpected argument "orders"'],
    ['tail DATA', ' tail: <topic> is missing: commitlog tail <folder> <topic>'],
    ['tail DATA oders', ' tail: there is no topic "oders" in DATA: did you mean "orders"?'],
    ['tail DATA payments', ' tail: there is no topic "payments" in DATA: it has orders'],
    ['dump DATA --topic oders', ' dump: there is no topic "oders" in DATA: did you mean "orders"?'],
    ['dump DATA --partition 7', ' dump: there is no partition 7 in DATA'],
    ['dump DATA --json --partition 7', ' dump: there is no partition 7 in DATA'],
    ['dump DATA --topic orders --partition 7', ' dump: there is no partition 7 of topic "orders" in DATA: it has 2 partitions, numbered from 0'],
    [
      'dump DATA --topic orders --partition 7 --json',
      ' dump: there is no partition 7 of topic "orders" in DATA: it has 2 partitions, numbered from 0',
    ],
    ['verify DATA --topic orders --partition 7', ' verify: there is no partition 7 of topic "orders" in DATA: it has 2 partitions, numbered from 0'],
    ['verify DATA --partition 7', ' verify: there is no partition 7 in DATA'],
    ['tail DATA orders --partition 7', ' tail: there is no partition 7 of topic "orders" in DATA: it has 2 partitions, numbered from 0'],
    ['dump DATA --from 2 --to 2', ' dump: there is no offset from 2 on and below 2: --to is exclusive and larger than --from'],
    ['dump DATA --json --to 0', ' dump: there is no offset from 0 on and below 0: --to is exclusive and larger than --from'],
    ['verify DATA --topic oders', ' verify: there is no topic "oders" in DATA: did you mean "orders"?'],
    ['topics DATA --topic oders', ' topics: there is no topic "oders" in DATA: did you mean "orders"?'],
    ['tail DATA orders --from yesterday', ' tail: --from takes an offset, "earliest", "latest" or a time, not "yesterday"'],
    ['produce DATA a/b', ' produce: "a/b" is not a topic name: use a-z A-Z 0-9 . _ - and not "." or ".."'],
    ['produce DATA orders --codec jsn', ' produce: --codec is one of string, json, msgpack, bytes, not "jsn": did you mean "json"?'],
    ['produce DATA orders --codec json', ' produce: topic "orders" is there, and its values are string, not json'],
    ['produce DATA orders --partition 2', ' produce: topic "orders" has partitions 0 to 1, not 2'],
    ['produce DATA orders --partitions 5', ' produce: topic "orders" is there with 2 partitions'],
    ['backup DATA DATA/inside', ' backup: DATA/inside and DATA lie inside each other'],
  ] as const) test(words, async () => {
    const put = (text: string): string => text.replaceAll('DATA', data)
    expect(await commitlog(words.split(' ').map(put))).toMatchObject({ code: 2, out: '', err: `commitlog${put(line)}\n` })
  })

  const ofFolders = ['topics', 'groups', 'dump', 'verify', 'repair', 'tail', 'export', 'compact', 'backup', 'restore']
  for (const name of ofFolders) test(`${name} of what is no log`, async () => {
    const foreign = join(root, 'foreign')
    mkdirSync(foreign, { recursive: true })
    writeFileSync(join(foreign, 'letter.txt'), 'hello')
    const empty = join(root, 'empty')
    mkdirSync(empty, { recursive: true })
    for (const folder of [join(root, 'missing'), foreign, empty, join(foreign, 'letter.txt')]) {
      const words = [name, folder, ...(name === 'tail' ? ['orders'] : name === 'backup' || name === 'restore' ? [join(root, 'target')] : [])]
      const { code, out, err } = await commitlog(words)
      expect({ words, code, out }).toEqual({ words, code: 2, out: '' })
      expect(err.trimEnd().split('\n')).toHaveLength(1)
      expect(err).toContain(`commitlog ${name}: `)
    }
  })
})

test('a log that cannot be opened is one clear line with the error\'s code, and exit code 1', async () => {
  const folder = join(root, 'newer')
  cpSync(data, folder, { recursive: true })
  const catalog = join(folder, 'commitlog.json')
  const text = readFileSync(catalog, 'utf8')
  for (const [content, code, names] of [
    [text.replace('"version": "1.0"', '"version": "2.0"'), 'LOG_VERSION_UNSUPPORTED', commands.filter((name) => name !== 'import' && name !== 'dlq')],
    [text.slice(0, 100), 'LOG_FILE_CORRUPT', ['topics', 'groups', 'tail', 'produce', 'export', 'compact']],
    [text.slice(0, 100), 'LOG_CORRUPT', ['backup', 'restore']],
  ] as const) {
    writeFileSync(catalog, content)
    for (const name of names) {
      const more = name === 'tail' || name === 'produce' ? ['orders'] : name === 'backup' || name === 'restore' ? [join(root, 'never')] : []
      const { code: exit, out, err } = await commitlog([name, folder, ...more], { input: ['d=4\n'] })
      expect({ name, exit, out }).toEqual({ name, exit: 1, out: '' })
      expect(err).toMatch(new RegExp(`^commitlog ${name}: .*commitlog\\.json\\b.*\\(${code}\\)\n$`))
    }
    expect(readFileSync(catalog, 'utf8')).toBe(content)
    expect(existsSync(join(root, 'never'))).toBe(false)
  }
})

describe('colours', () => {
  const escape = '\x1b['

  test('only on a terminal', async () => {
    expect((await commitlog(['verify', data])).out).not.toContain(escape)
    expect((await commitlog(['verify', data], { columns: 80 })).out).toContain(escape)
  })

  test('not with NO_COLOR, and with FORCE_COLOR everywhere', async () => {
    expect((await commitlog(['verify', data], { columns: 80, env: { NO_COLOR: '1' } })).out).not.toContain(escape)
    expect((await commitlog(['verify', data], { columns: 80, env: { NO_COLOR: '' } })).out).toContain(escape)
    expect((await commitlog(['verify', data], { columns: 80, env: { TERM: 'dumb' } })).out).not.toContain(escape)
    expect((await commitlog(['verify', data], { env: { FORCE_COLOR: '1' } })).out).toContain(escape)
    expect((await commitlog(['verify', data], { env: { FORCE_COLOR: '1', NO_COLOR: '1' } })).out).not.toContain(escape)
  })
})

test('--json prints JSON and nothing else', async () => {
  const more = { tail: ['orders'], backup: [join(root, 'json')] }
  for (const name of ['topics', 'groups', 'dump', 'verify', 'tail', 'export', 'repair', 'backup'] as const) {
    const words = [name, data, ...(name in more ? more[name as 'tail'] : [])]
    const { code, lines, err } = await commitlog([...words, '--json'])
    expect({ words, code, err }).toEqual({ words, code: 0, err: '' })
    for (const line of lines) expect(typeof JSON.parse(line)).toBe('object')
  }
})

test('repair --json ends with a summary, also when there is nothing to repair', async () => {
  const { lines } = await commitlog(['repair', data, '--json'])
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([{ steps: 0, applied: false, damage: 0 }])
})

test('one partition is meant by its folder', async () => {
  expect((await commitlog(['verify', join(data, 'orders-1')])).lines[0]).toMatch(/^1 partition, /)
  for (const line of (await commitlog(['dump', '--json', join(data, 'orders-1')])).lines) expect(line).toContain('"partition":1,')
})

test('topics are listed with their partitions', async () => {
  const { lines } = await commitlog(['topics', data])
  expect(lines[0]).toMatch(/^topic +partitions +offsets +size +key +value$/)
  expect(lines[1]).toMatch(/^orders +2 +3 +\d+ B +string +string$/)
  expect((await commitlog(['topics', data, '--topic', 'orders'])).lines).toHaveLength(3)
})
