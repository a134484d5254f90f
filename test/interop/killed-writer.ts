/*
 * A process that appends and is killed with SIGKILL. Its program is writer-child.ts.
 */
import { spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import { bundledProgram } from '../tools/bundled-program.ts'
import { FIRST_TIMESTAMP, type WrittenPartition } from './case-log.ts'

/** Has another process append to a partition in `folder`, kills it once `count` records are acknowledged, and gives how many were. */
export async function killedWriter(folder: string, { topic, config }: WrittenPartition, count: number): Promise<number> {
  const program = await bundledProgram('./test/interop/writer-child.ts')
  try {
    const told = JSON.stringify({ topic, config, firstTimestamp: FIRST_TIMESTAMP })
    return await runUntil(program.path, [folder, told], count)
  } finally {
    program.remove()
  }
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
