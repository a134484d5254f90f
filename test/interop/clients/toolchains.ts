/*
 * What the programs of other languages run on, in a cache outside the repository: node_modules, a Python environment, built Go and Rust
 * programs. Each is made once for what is in the manifest; what the machine itself must have (Go, Rust, Python, kcat) is installed with apt
 * in CI.
 */
import { cpSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cached, LONGEST_BUILD_MS } from '../cache.ts'
import { javaClassPath } from '../java.ts'
import { mustRun, succeeds } from '../processes.ts'
import { obtain } from '../toolchain.ts'

/** Some crates are of the edition that came with it. */
const OLDEST_CARGO = 85
/** It gets the Go of go.mod by itself. */
const OLDEST_GO = 21

const here = fileURLToPath(new URL('.', import.meta.url))

/** The folder of the JavaScript programs, beside the packages that they import. */
export async function jsFolder(): Promise<string> {
  const source = join(here, 'js')
  const lock = readFileSync(join(source, 'package-lock.json'))
  return cached('js', [lock, ...sources(source)], async (folder) => {
    cpSync(source, folder, { recursive: true, filter: (path) => !path.includes('node_modules') })
    await mustRun('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--silent'], { cwd: folder, timeoutMs: LONGEST_BUILD_MS })
  })
}

/** The Python of an environment that has the packages of a requirements.txt: that of the clients, or another one. */
export async function pythonPath(requirements = join(here, 'python', 'requirements.txt')): Promise<string> {
  const usable = (): boolean => succeeds(['python3', '-c', 'import venv, ensurepip']) !== undefined
  if (!usable()) await obtain('Python 3 with venv', ['python3-venv'], usable)
  const folder = await cached('python', [readFileSync(requirements), Buffer.from(succeeds(['python3', '--version']) ?? '')], async (folder) => {
    await mustRun('python3', ['-m', 'venv', folder], { timeoutMs: LONGEST_BUILD_MS })
    const install = ['-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '--no-deps', '--requirement', requirements]
    await mustRun(join(folder, 'bin', 'python'), install, { timeoutMs: LONGEST_BUILD_MS })
  })
  return join(folder, 'bin', 'python')
}

/** One of the Go programs, built. */
export function goProgram(name: string): Promise<string> {
  return goBuilt(name, ['build'])
}

/** The tests of one of the Go packages, built. */
export function goTest(name: string): Promise<string> {
  return goBuilt(name, ['test', '-c'])
}

/** The tests in a folder elsewhere, built with the modules of the clients. */
export async function goTestIn(source: string): Promise<string> {
  await needGo()
  const modules = ['go.mod', 'go.sum'].map((name) => join(here, 'go', name))
  const folder = await cached('go-test', [...modules.map((path) => readFileSync(path)), ...sources(source)], async (folder) => {
    for (const path of modules) cpSync(path, join(folder, basename(path)))
    cpSync(source, folder, { recursive: true })
    await mustRun('go', ['test', '-c', '-mod=readonly', '-o', 'tests', '.'], { cwd: folder, timeoutMs: LONGEST_BUILD_MS })
  })
  return join(folder, 'tests')
}

/** Sees to it that there is a Go. */
export async function needGo(): Promise<void> {
  const usable = (): boolean => Number(/ go1\.(\d+)/.exec(succeeds(['go', 'version']) ?? '')?.[1]) >= OLDEST_GO
  if (!usable()) await obtain('Go 1.26, or one from 1.21 on that fetches it', ['golang-go'], usable)
}

async function goBuilt(name: string, command: readonly string[]): Promise<string> {
  const source = join(here, 'go')
  await needGo()
  const files = [readFileSync(join(source, 'go.sum')), ...sources(join(source, 'scenario')), ...sources(join(source, name))]
  const folder = await cached(`go-${name}`, files, async (folder) => {
    await mustRun('go', [...command, '-mod=readonly', '-o', join(folder, name), `./${name}`], { cwd: source, timeoutMs: LONGEST_BUILD_MS })
  })
  return join(folder, name)
}

/** The Rust program, built, and librdkafka with it. */
export async function rustProgram(): Promise<string> {
  const source = join(here, 'rust')
  const usable = (): boolean => {
    const [, major, minor] = /^cargo (\d+)\.(\d+)/.exec(succeeds(['cargo', '--version']) ?? '') ?? []
    return Number(major) > 1 || Number(minor) >= OLDEST_CARGO
  }
  const buildsC = (): boolean => succeeds(['cc', '--version']) !== undefined && succeeds(['make', '--version']) !== undefined
  if (!usable()) await obtain(`Rust 1.${OLDEST_CARGO} or later`, ['cargo', 'cargo-web'], usable)
  if (!buildsC()) await obtain('a C compiler and make', ['build-essential'], buildsC)
  const files = [readFileSync(join(source, 'Cargo.lock')), readFileSync(join(source, 'Cargo.toml')), ...sources(join(source, 'src'))]
  const folder = await cached('rust', files, async (folder) => {
    const target = join(folder, 'target')
    await mustRun('cargo', ['build', '--release', '--locked', '--quiet', '--target-dir', target], { cwd: source, timeoutMs: LONGEST_BUILD_MS })
    cpSync(join(target, 'release', 'scenarios'), join(folder, 'scenarios'))
    rmSync(target, { recursive: true })
  })
  return join(folder, 'scenarios')
}

/** The class path of one of the Java programs. */
export function javaProgram(jars: string, name: 'Kills' | 'Scenarios' | 'Security'): Promise<string> {
  return javaClassPath(jars, join(here, 'java', `${name}.java`))
}

/** Sees to it that there is a kcat. */
export async function needKcat(): Promise<void> {
  const found = (): boolean => succeeds(['kcat', '-V']) !== undefined
  if (!found()) await obtain('kcat', ['kcat', 'kafkacat'], found)
}

function sources(folder: string): Buffer[] {
  return readdirSync(folder).filter((name) => /\.(?:mjs|go|rs)$/.test(name)).sort().map((name) => readFileSync(join(folder, name)))
}

/** A Node that is new enough for clients that ask for 22 or later: this one, the one that CI names, or npm's. */
export async function newerNode(): Promise<string> {
  const major = (node: string): number => Number(/^v(\d+)/.exec(succeeds([node, '--version']) ?? '')?.[1] ?? 0)
  const here = [process.execPath, process.env.COMMITLOG_OTHER_NODE ?? ''].find((node) => major(node) >= 22)
  if (here !== undefined) return here
  const name = `node-linux-${process.arch}`
  const folder = await cached('node', [Buffer.from(name)], async (folder) => {
    const install = ['install', '--prefix', folder, '--ignore-scripts', '--no-audit', '--no-fund', '--silent', `${name}@latest`]
    await mustRun('npm', install, { timeoutMs: LONGEST_BUILD_MS })
  })
  return join(folder, 'node_modules', name, 'bin', 'node')
}
