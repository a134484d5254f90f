/*
 * Proves the simulation: each planted fault is built into a copy of the log, and lives are lived with it until one fails. Always the same
 * lives, so that a run says something of the change at hand; SEED=n lives others.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Worker } from 'node:worker_threads'
import { type Plugin, rolldown } from 'rolldown'
import { afterAll, describe, expect, test } from 'vitest'
import { type PlantedFault, plantedFaults } from './planted-faults.ts'

/** Some seconds find each; a machine that others use takes its time. */
const LONGEST_MS = 600_000
const SEED = process.env['SEED']
const source = fileURLToPath(new URL('../../src/', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'commitlog-planted-'))

afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe.concurrent('the simulation finds', () => {
  test.for(plantedFaults)('$mistake', { timeout: LONGEST_MS + 30_000 }, async (fault) => {
    const { lives, failure } = await liveWith(fault)
    expect(failure, `${lives} lives from SEED=${seedOf(fault)} on went well`).toBeTypeOf('string')
    console.log(`${fault.mistake}: after ${lives} lives from SEED=${seedOf(fault)} on: ${failure!.split('\n')[0]}`)
  })
})

test('without a planted fault, the copy lives as well as the log', async () => {
  expect(await liveWith(undefined, 2000)).toMatchObject({ failure: undefined })
})

interface Lived {
  readonly lives: number
  readonly failure: string | undefined
}

function seedOf(fault: PlantedFault | undefined): number {
  return Number(SEED ?? fault?.seed ?? 1)
}

async function liveWith(fault: PlantedFault | undefined, ms = LONGEST_MS): Promise<Lived> {
  const file = await built(fault)
  const worker = new Worker(lifeOfWorker, { eval: true, workerData: { file, seed: seedOf(fault), ms } })
  try {
    return await new Promise<Lived>((resolve, reject) => worker.once('message', resolve).once('error', reject))
  } finally {
    await worker.terminate()
  }
}

/** What a worker does: unhandled rejections are failures of the life that is lived, as in the test runner. */
const lifeOfWorker = `
  const { parentPort, workerData: { file, seed, ms } } = require('node:worker_threads')
  let lives = 0
  const done = (error) => parentPort.postMessage({ lives, failure: error === undefined ? undefined : String(error?.message ?? error) })
  process.on('uncaughtException', done)
  process.on('unhandledRejection', done)
  import(file).then(async ({ simulate }) => {
    for (const until = performance.now() + ms; performance.now() < until; ) await simulate(seed + lives++)
    done()
  }).catch(done)
`

/** The simulation and the log in one file, with a fault or without. */
async function built(fault: PlantedFault | undefined): Promise<string> {
  const target = mkdtempSync(join(folder, 'built-'))
  const bundle = await rolldown({
    input: fileURLToPath(new URL(fault?.lives ?? 'simulate.ts', import.meta.url)),
    platform: 'node',
    external: (id) => !id.startsWith('.') && !id.startsWith('/') && id !== 'xxhash-wasm',
    plugins: fault === undefined ? [] : [plant(fault)],
  })
  await bundle.write({ dir: target, format: 'esm', entryFileNames: 'simulate.mjs' })
  await bundle.close()
  return join(target, 'simulate.mjs')
}

/** Is asked for files of this name only: to be asked for each would take longer than the rest. */
function plant(fault: PlantedFault): Plugin {
  const path = join(source, fault.file)
  const id = new RegExp(`${basename(path)}$`)
  return { name: 'planted-fault', load: { filter: { id }, handler: (found) => (found === path ? planted(path, fault) : undefined) } }
}

function planted(path: string, { find, replace }: PlantedFault): { code: string; moduleType: 'ts' } {
  const parts = readFileSync(path, 'utf8').split(find)
  expect(parts.length, `${find} stands once in ${path}`).toBe(2)
  return { code: parts.join(replace), moduleType: 'ts' }
}
