/*
 * A process that appends and is killed with SIGKILL. Its program is writer-child.ts; since the oldest Node runs no TypeScript, it is compiled
 * for it, without a check of types, into build/.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { FIRST_TIMESTAMP, type RecordToWrite, type WrittenPartition } from './case-log.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

/** Has another process append to a partition in `folder`, kills it once `count` records are acknowledged, and gives how many were. */
export async function killedWriter(folder: string, { topic, config }: WrittenPartition, count: number): Promise<number> {
  const out = join(root, 'build', `interop-${process.pid}`)
  try {
    compileInto(out)
    const told = JSON.stringify({ topic, config, firstTimestamp: FIRST_TIMESTAMP })
    return await runUntil(join(out, 'test/interop/writer-child.js'), [folder, told], count)
  } finally {
    rmSync(out, { recursive: true, force: true })
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

function compileInto(out: string): void {
  const compilerOptions = {
    target: ts.ScriptTarget.ES2023, module: ts.ModuleKind.ESNext, verbatimModuleSyntax: true, rewriteRelativeImportExtensions: true,
  }
  const names = readdirSync(join(root, 'src'), { recursive: true }) as string[]
  const sources = names.filter((path) => path.endsWith('.ts')).map((path) => join('src', path))
  for (const path of [...sources, 'test/interop/writer-child.ts', 'test/interop/killed-writer.ts', 'test/interop/case-log.ts']) {
    const target = join(out, path.replace(/\.ts$/, '.js'))
    mkdirSync(dirname(target), { recursive: true })
    writeFileSync(target, ts.transpileModule(readFileSync(join(root, path), 'utf8'), { compilerOptions, fileName: path }).outputText)
  }
}
