/*
 * What the rivals of the wire stand on: Kafka's jars, by Maven, and kfake, by Go's proxy. Each is made once, in a cache outside the repository.
 * Nothing is installed on the machine: where Java, Maven or Go is missing, what needs it is left out, with that as the reason.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_JAVA = 17
/** The one that test/interop uses: broker, tools and Java client of one version. */
const POM = fileURLToPath(new URL('../../test/interop/pom.xml', import.meta.url))
const KFAKE = fileURLToPath(new URL('kfake/', import.meta.url))

/** The class path of Kafka's broker and tools. */
export function kafkaClassPath(): string {
  const version = /version "(\d+)/.exec(output('java', ['-version']) ?? '')?.[1]
  if (version === undefined || Number(version) < OLDEST_JAVA) throw new Error(`there is no Java ${OLDEST_JAVA} or later on this machine`)
  const folder = made('kafka', [readFileSync(POM)], (target) => {
    if (output('mvn', ['--version']) === undefined) throw new Error('there is no Maven on this machine')
    const goal = ['dependency:copy-dependencies', `-DoutputDirectory=${target}`, '-DincludeScope=runtime', '-Dstyle.color=never']
    execFileSync('mvn', ['--quiet', '--batch-mode', '--file', POM, ...goal], { stdio: ['ignore', 'ignore', 'inherit'] })
  })
  return join(folder, '*')
}

/** The program of kfake. */
export function kfakeProgram(): string {
  const folder = made('kfake', readdirSync(KFAKE).sort().map((name) => readFileSync(join(KFAKE, name))), (target) => {
    if (output('go', ['version']) === undefined) throw new Error('there is no Go on this machine')
    execFileSync('go', ['build', '-mod=readonly', '-o', join(target, 'kfake'), '.'], { cwd: KFAKE, stdio: ['ignore', 'ignore', 'inherit'] })
  })
  return join(folder, 'kfake')
}

/** Both streams of a command; undefined when it fails or is not there. */
function output(command: string, parameters: readonly string[]): string | undefined {
  try {
    // `java -version` speaks to the standard error.
    return execFileSync('sh', ['-c', '"$@" 2>&1', 'sh', command, ...parameters], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] })
  } catch {
    return undefined
  }
}

function made(name: string, of: readonly Buffer[], make: (folder: string) => void): string {
  const hash = createHash('sha256').update(process.arch)
  for (const bytes of of) hash.update(bytes)
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'commitlog-bench')
  const folder = join(cache, `${name}-${hash.digest('hex').slice(0, 12)}`)
  if (existsSync(folder)) return folder
  const partial = `${folder}.${process.pid}`
  mkdirSync(partial, { recursive: true })
  try {
    make(partial)
    renameSync(partial, folder)
  } catch (error) {
    // Another trial was faster.
    if (!existsSync(folder)) throw error
  } finally {
    rmSync(partial, { recursive: true, force: true })
  }
  return folder
}
