/*
 * What these tests stand on: a JDK and the jars of a real Kafka, which Maven fetches once into a cache outside the repository. In CI what is
 * missing is installed with apt, and what cannot be had is a failure; elsewhere a message says what to install.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type TestProject } from 'vitest/node'

const OLDEST_JAVA = 17
const POM = new URL('pom.xml', import.meta.url)

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of Kafka's jars. */
    jars: string
  }
}

/** Runs once before the tests: gives them the jars. */
export default function setup(project: TestProject): void {
  try {
    if (!hasJava()) obtain(`a JDK, version ${OLDEST_JAVA} or later`, [`openjdk-${OLDEST_JAVA}-jdk-headless`, 'default-jdk-headless'], hasJava)
    project.provide('jars', kafkaJars())
  } catch (error) {
    // Without it there is nothing to test, and vitest would say so at length.
    console.error(`\n${(error as Error).message}\n`)
    process.exit(1)
  }
}

/** What is downloaded and built is kept here from one run to the next. */
export function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'commitlog-interop')
}

/** The folder of jars of the pom.xml beside this file. */
function kafkaJars(): string {
  const version = createHash('sha256').update(readFileSync(POM)).digest('hex').slice(0, 12)
  const cache = cacheFolder()
  const folder = join(cache, version)
  if (existsSync(folder)) return folder
  if (!hasMaven()) obtain('Maven', ['maven'], hasMaven)
  console.log('fetching Kafka with Maven')
  mkdirSync(cache, { recursive: true })
  const partial = `${folder}.${process.pid}`
  const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${partial}`, '-DincludeScope=runtime', '-Dstyle.color=never']
  execFileSync('mvn', ['--quiet', '--batch-mode', '--file', fileURLToPath(POM), ...goal], { stdio: ['ignore', 'inherit', 'inherit'] })
  try {
    renameSync(partial, folder)
  } catch (error) {
    // Another run was faster.
    rmSync(partial, { recursive: true, force: true })
    if (!existsSync(folder)) throw error
  }
  return folder
}

/** Installs the first of `packages` that helps, in CI; elsewhere that is the user's decision. */
export function obtain(what: string, packages: readonly string[], found: () => boolean): void {
  const missing = `npm run test:interop needs ${what}`
  if ((process.env.CI ?? '') === '') throw new Error(`${missing}: install it (Debian and Ubuntu: apt-get install ${packages[0]}) and try again`)
  for (const name of packages) {
    console.log(`installing ${name}`)
    if (apt('update', '--quiet') && apt('install', '--yes', '--quiet', '--no-install-recommends', name) && found()) return
  }
  throw new Error(`${missing}, and apt-get could not install it`)
}

function apt(...parameters: string[]): boolean {
  const command = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', '--non-interactive', 'apt-get']
  return succeeds([...command, ...parameters], { DEBIAN_FRONTEND: 'noninteractive' }) !== undefined
}

/** A JRE is not enough: the probe is a source file. */
function hasJava(): boolean {
  const version = /^jdk\.compiler@(\d+)/m.exec(succeeds(['java', '--list-modules']) ?? '')?.[1]
  return version !== undefined && Number(version) >= OLDEST_JAVA
}

function hasMaven(): boolean {
  return succeeds(['mvn', '--version']) !== undefined
}

/** What a command printed; undefined when it failed or is not there. */
export function succeeds([command, ...parameters]: readonly string[], env: Record<string, string> = {}): string | undefined {
  try {
    const given = { ...process.env, ...env }
    return execFileSync(command!, parameters, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'], env: given, maxBuffer: 64 << 20 })
  } catch {
    return undefined
  }
}
