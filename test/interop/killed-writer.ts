/*
 * A process that appends and is killed with SIGKILL. Its program is writer-child.ts.
 */
import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { compiled } from './compiled.ts'
import { FIRST_TIMESTAMP, type RecordToWrite, type WrittenPartition } from './case-log.ts'

/** Has another process append to a partition in `folder`, kills it once `count` records are acknowledged, and gives how many were. */
export async function killedWriter(folder: string, { topic, config }: WrittenPartition, count: number): Promise<number> {
  const out = compiled('test/interop/writer-child.ts', 'test/interop/killed-writer.ts', 'test/interop/compiled.ts', 'test/interop/case-log.ts')
  try {
    const told = JSON.stringify({ topic, config, firstTimestamp: FIRST_TIMESTAMP })
    return await runUntil(join(out.folder, 'test/interop/writer-child.js'), [folder, told], count)
  } finally {
    out.remove()
  }
}

/** The record that the process writes at `offset`. */
export function recordOfKilledWriter(offset: number, firstTimestamp = FIRST_TIMESTAMP): RecordToWrite & { readonly timestamp: number } {
  return { timestamp: firstTimestamp + offset, key: `k${offset % 10}`, value: `value ${offset}`, headers: [['n', `${offset}`]] }
}

function runUntil(program: string, parameters: readonly string[], count: number): Promise<number> {
  const child = spawn(process.execPath, [program, ...parameters], { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NODE_OPTIONS: '' } })
  let acknowledged = 0
  let errors = ''
  child.stderr.on('data', (text) => { errors += text })
  createInterface({ input: child.stdout }).on('line', (line) => {
    acknowledged = Number(line)
    if (acknowledged >= count) child.kill('SIGKILL')
  })
  return new Promise((resolve, reject) => {
    child.on('close', (code, signal) => {
      if (signal === 'SIGKILL') resolve(acknowledged)
      else reject(new Error(`the writer ended with ${code ?? signal}: ${errors}`))
    })
  })
}
