/*
 * Runs the conformance suite on a store of Emmett's, in a process of its own: some of what fails in SQLite is thrown where nobody can catch it,
 * and ends a process that does not listen. Told where the packages are and which store; prints what became of each case as a line of JSON.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { storeConformance } from '../../../src/testing/store-conformance.ts'
import { type StoreUnderTest } from '../../../src/testing/store-under-test.ts'
import { type EmmettStoreShape, emmettStoreUnderTest } from '../../../src/testing/stores-under-test.ts'

/** A case that waits for what was thrown elsewhere never ends. */
const CASE_MS = 10_000

interface Library {
  getInMemoryEventStore(): EmmettStoreShape
  getSQLiteEventStore(options: object): EmmettStoreShape
  readonly sqlite3EventStoreDriver?: unknown
}

const [packages, kind] = process.argv.slice(2) as [string, 'memory' | 'sqlite']
const folder = mkdtempSync(join(tmpdir(), 'commitlog-emmett-store-'))
const cases: { readonly name: string; readonly run: () => Promise<void> }[] = []
const unsupported = new Set<string>()
let uncaught = 0
let files = 0

process.on('uncaughtException', () => { uncaught++ })
process.on('unhandledRejection', () => { uncaught++ })
// Emmett SQLite prints errors as it goes; the outcomes are what is wanted.
console.log = () => {}

const outcomes = await runAll()
rmSync(folder, { recursive: true, force: true })
process.stdout.write(`${JSON.stringify({ outcomes, uncaught })}\n`, () => process.exit(0))

async function runAll(): Promise<object[]> {
  const open = kind === 'memory' ? await inMemory() : await inFile()
  const test = (name: string, run: () => Promise<void>): unknown => cases.push({ name, run })
  storeConformance({ test, open: async () => open(), unsupported: (name) => unsupported.add(name) })
  const list: object[] = []
  for (const { name, run } of cases) {
    const reason = await outcomeOf(run)
    if (reason !== undefined) list.push({ name, outcome: 'failed', reason })
    else list.push({ name, outcome: unsupported.has(name) ? 'unsupported' : 'passed' })
  }
  return list
}

/** Why it failed. */
async function outcomeOf(run: () => Promise<void>): Promise<string | undefined> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => { timer = setTimeout(() => reject(new Error('it did not end')), CASE_MS) })
  try {
    await Promise.race([run(), late])
    return undefined
  } catch (error) {
    return String((error as Error | undefined)?.message ?? error)
  } finally {
    clearTimeout(timer)
  }
}

async function inMemory(): Promise<() => StoreUnderTest> {
  const { getInMemoryEventStore } = await load('emmett')
  return () => emmettStoreUnderTest(getInMemoryEventStore())
}

/** 0.43 asks for a driver. */
async function inFile(): Promise<() => StoreUnderTest> {
  const { getSQLiteEventStore } = await load('emmett-sqlite')
  const driver = await load('emmett-sqlite', 'sqlite3').then((library) => ({ driver: library.sqlite3EventStoreDriver }), () => ({}))
  const open = (fileName: string): StoreUnderTest => (
    emmettStoreUnderTest(getSQLiteEventStore({ fileName, ...driver }), { reopen: async () => open(fileName) })
  )
  return () => open(join(folder, `${files++}.db`))
}

function load(name: string, door = 'index'): Promise<Library> {
  return import(pathToFileURL(join(packages, '@event-driven-io', name, 'dist', `${door}.js`)).href) as Promise<Library>
}
