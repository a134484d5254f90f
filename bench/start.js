/*
 * What `npm run bench` starts, on any Node that the project supports: installs the peers when they are not there, builds the sources to
 * build/bench, and runs run.ts on Node 24 or newer, which npm carries for those machines that have an older one. Measures nothing.
 */
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const OLDEST_MAJOR = 24

const bench = dirname(fileURLToPath(import.meta.url))
const root = dirname(bench)

const isNewEnough = Number(process.versions.node.split('.')[0]) >= OLDEST_MAJOR
if (!isNewEnough && (process.platform !== 'linux' || process.arch !== 'x64')) {
  fail(`the benchmarks run on Node ${OLDEST_MAJOR} or newer, this is ${process.versions.node}`)
}
installPeers()
buildSources()
const node = isNewEnough ? process.execPath : join(bench, 'node_modules', 'node-24', 'bin', 'node')
const child = spawnSync(node, [join(bench, 'run.ts'), ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(child.status ?? 1)

// No install script is run: every peer ships its binaries. Node itself is a development dependency there, left out when this one will do.
function installPeers() {
  const lock = readFileSync(join(bench, 'package-lock.json'), 'utf8')
  const stamp = join(bench, 'node_modules', '.installed')
  const wanted = `${isNewEnough ? 'this Node' : 'Node 24'}\n${lock}`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('installing the peers into bench/node_modules …\n')
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', ...(isNewEnough ? ['--omit=dev'] : [])]
  const npm = process.env['npm_execpath']
  const [command, before] = npm !== undefined && npm.endsWith('.js') ? [process.execPath, [npm]] : ['npm', []]
  const { status, stderr, error } = spawnSync(command, [...before, ...args], { cwd: bench, encoding: 'utf8' })
  if (status !== 0) fail(`the peers cannot be installed: ${error?.message ?? stderr.trim()}`)
  writeFileSync(stamp, wanted)
}

// What users run is the build, so that is measured. It goes beside dist/, which others may be building again meanwhile.
function buildSources() {
  const compiler = join(root, 'node_modules', 'typescript', 'bin', 'tsc')
  if (!existsSync(compiler)) fail('run `npm ci` first')
  const args = [compiler, '-p', 'tsconfig.build.json', '--outDir', 'build/bench', '--declaration', 'false']
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: root, encoding: 'utf8' })
  if (status !== 0) process.stderr.write(`the type check finds fault, measuring nevertheless: ${stdout.split('\n')[0]}\n`)
}

function fail(message) {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(2)
}
