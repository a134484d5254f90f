/*
 * What these tests stand on: a JDK and the jars of a real Kafka, which Maven fetches once into a cache outside the repository. In CI what is
 * missing is installed with apt, and what cannot be had is a failure; elsewhere a message says what to install.
 */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { type TestProject } from 'vitest/node'
import { alone, cached, LONGEST_BUILD_MS } from './cache.ts'
import { mustRun, run, succeeds } from './processes.ts'

const OLDEST_JAVA = 17
const POM = new URL('pom.xml', import.meta.url)

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of Kafka's jars. */
    jars: string
  }
}

/** Runs once before the tests: gives them the jars. */
export default async function setup(project: TestProject): Promise<void> {
  try {
    if (!hasJava()) await obtain(`a JDK, version ${OLDEST_JAVA} or later`, [`openjdk-${OLDEST_JAVA}-jdk-headless`, 'default-jdk-headless'], hasJava)
    project.provide('jars', await kafkaJars())
  } catch (error) {
    // Without it there is nothing to test, and vitest would say so at length.
    console.error(`\n${(error as Error).message}\n`)
    process.exit(1)
  }
}

/** The folder of jars of the pom.xml beside this file. */
function kafkaJars(): Promise<string> {
  return cached('kafka', [readFileSync(POM)], async (folder) => {
    if (!hasMaven()) await obtain('Maven', ['maven'], hasMaven)
    console.log('fetching Kafka with Maven')
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${folder}`, '-DincludeScope=runtime', '-Dstyle.color=never']
    await mustRun('mvn', ['--quiet', '--batch-mode', '--file', fileURLToPath(POM), ...goal], { timeoutMs: LONGEST_BUILD_MS })
  })
}

/** Installs the first of `packages` that helps, in CI; elsewhere that is the user's decision. */
export async function obtain(what: string, packages: readonly string[], found: () => boolean): Promise<void> {
  const missing = `npm run test:interop needs ${what}`
  if ((process.env.CI ?? '') === '') throw new Error(`${missing}: install it (Debian and Ubuntu: apt-get install ${packages[0]}) and try again`)
  await alone('apt', async () => {
    for (const name of found() ? [] : packages) {
      console.log(`installing ${name}`)
      if (await apt('update', '--quiet') && await apt('install', '--yes', '--quiet', '--no-install-recommends', name) && found()) return
    }
  })
  if (!found()) throw new Error(`${missing}, and apt-get could not install it`)
}

function apt(...parameters: string[]): Promise<boolean> {
  const [command, ...before] = process.getuid?.() === 0 ? ['apt-get'] : ['sudo', '--non-interactive', 'apt-get']
  const options = { timeoutMs: LONGEST_BUILD_MS, env: { DEBIAN_FRONTEND: 'noninteractive' } }
  return run(command!, [...before, ...parameters], options).then(({ code }) => code === 0, () => false)
}

/** A JRE is not enough: the probe is a source file. */
function hasJava(): boolean {
  const version = /^jdk\.compiler@(\d+)/m.exec(succeeds(['java', '--list-modules']) ?? '')?.[1]
  return version !== undefined && Number(version) >= OLDEST_JAVA
}

function hasMaven(): boolean {
  return succeeds(['mvn', '--version']) !== undefined
}
