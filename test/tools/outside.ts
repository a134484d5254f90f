/*
 * A project outside this one, as a user of the package has it: a temporary folder with the built package in its node_modules and, beside
 * it, links to what is installed here. Made without a network, so that `npm test` needs none; .ci/package makes one with npm.
 */
import { execFile } from 'node:child_process'
import { copyFile, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

/** The root of this repository. */
export const root = fileURLToPath(new URL('../..', import.meta.url))

/** What a child process left behind. */
export interface Ran {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Where and how a child process runs. */
export interface RunOptions {
  readonly cwd: string
  readonly env?: Record<string, string>
  readonly timeoutMs?: number
}

/** A newer Node warns of a time below zero that kafkajs waits for, now and then. */
const QUIET = '--disable-warning=TimeoutNegativeWarning'

/** Runs a program to its end. It must end by itself: after `timeoutMs` it is killed, and the code is −1. */
export function run(command: string, parameters: readonly string[], options: RunOptions): Promise<Ran> {
  const env = { ...process.env, NODE_OPTIONS: QUIET, FORCE_COLOR: '0', ...options.env }
  return new Promise((resolve) => {
    const limits = { cwd: options.cwd, env, timeout: options.timeoutMs ?? 60_000, maxBuffer: 64 * 1024 * 1024, killSignal: 'SIGKILL' as const }
    const child = execFile(command, [...parameters], limits, (_error, stdout, stderr) => resolve({ code: child.exitCode ?? -1, stdout, stderr }))
    child.stdin?.end()
  })
}

/** As `run`, and throws with everything it printed when it did not succeed. */
export async function mustRun(command: string, parameters: readonly string[], options: RunOptions): Promise<Ran> {
  const ran = await run(command, parameters, options)
  if (ran.code !== 0) throw new Error(`${[command, ...parameters].join(' ')} ended with ${ran.code}\n${ran.stdout}\n${ran.stderr}`)
  return ran
}

/** Runs the type checker and compiler. */
export function tsc(...parameters: string[]): Promise<Ran> {
  return mustRun(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), ...parameters], { cwd: root, timeoutMs: 180_000 })
}

/** A project outside. */
export interface Outside {
  readonly folder: string
  /** Writes a file of the project, and the folders above it. */
  write(path: string, text: string): Promise<void>
  remove(): Promise<void>
}

/** Makes a project outside. `install` puts the package into the folder it is given; without it, the sources are built into it. */
export async function outsideProject(install: (folder: string) => Promise<void> = buildInto): Promise<Outside> {
  const folder = await mkdtemp(join(tmpdir(), 'commitlog-outside-'))
  const write = async (path: string, text: string): Promise<void> => {
    await mkdir(dirname(join(folder, path)), { recursive: true })
    await writeFile(join(folder, path), text)
  }
  await write('package.json', JSON.stringify({ name: 'outside', private: true, type: 'module' }))
  await mkdir(join(folder, 'node_modules/commitlog'), { recursive: true })
  await install(join(folder, 'node_modules/commitlog'))
  await linkInstalled(join(folder, 'node_modules'))
  return { folder, write, remove: () => rm(folder, { recursive: true, force: true, maxRetries: 3 }) }
}

async function buildInto(folder: string): Promise<void> {
  await tsc('-p', 'tsconfig.build.json', '--outDir', join(folder, 'dist'), '--emitDeclarationOnly', 'false')
  await copyFile(join(root, 'package.json'), join(folder, 'package.json'))
}

async function linkInstalled(modules: string): Promise<void> {
  const installed = (await readdir(join(root, 'node_modules'))).filter((name) => !name.startsWith('.'))
  for (const name of installed) await symlink(join(root, 'node_modules', name), join(modules, name), 'junction')
}

/** The settings of a strict project outside. It checks the declarations of packages too. */
export const outsideSettings = {
  compilerOptions: {
    target: 'es2023', lib: ['es2023', 'esnext.disposable'], module: 'nodenext', types: ['node'], strict: true, exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true, skipLibCheck: false, outDir: 'out', rootDir: '.',
  },
}
