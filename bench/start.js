/*
 * What `npm run bench` starts, on any Node that the project supports: installs the peers when they are not there, bundles the sources to
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
buildSqlite3()
await buildSources()
const node = isNewEnough ? process.execPath : join(bench, 'node_modules', 'node-24', 'bin', 'node')
const child = spawnSync(node, [join(bench, 'run.ts'), ...process.argv.slice(2)], { cwd: root, stdio: 'inherit' })
process.exit(child.status ?? 1)

// No install script is run: every peer ships its binaries, but for sqlite3, below Emmett's store. Node itself is a development dependency there,
// left out when this one will do.
function installPeers() {
  const lock = readFileSync(join(bench, 'package-lock.json'), 'utf8')
  const stamp = join(bench, 'node_modules', '.installed')
  const wanted = `${isNewEnough ? 'this Node' : 'Node 24'}\n${lock}`
  if (existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted) return
  process.stderr.write('installing the peers into bench/node_modules …\n')
  const { status, stderr, error } = npm('ci', '--ignore-scripts', '--no-audit', '--no-fund', ...(isNewEnough ? ['--omit=dev'] : []))
  if (status !== 0) fail(`the peers cannot be installed: ${error?.message ?? stderr.trim()}`)
  writeFileSync(stamp, wanted)
}

// It is downloaded or, where that cannot be, compiled for some two minutes: not for tiny runs, which do without it.
function buildSqlite3() {
  const folder = join(bench, 'node_modules', 'sqlite3')
  const stamp = join(folder, '.built')
  if (process.argv.includes('--quick') || existsSync(stamp)) return
  process.stderr.write('making the binary of sqlite3 …\n')
  const { status } = npm('rebuild', 'sqlite3', '--no-audit', '--no-fund')
  if (status !== 0) process.stderr.write('it cannot be made: Emmett SQLite will be missing\n')
  writeFileSync(stamp, '')
}

function npm(...args) {
  const path = process.env['npm_execpath']
  const [command, before] = path !== undefined && path.endsWith('.js') ? [process.execPath, [path]] : ['npm', []]
  return spawnSync(command, [...before, ...args], { cwd: bench, encoding: 'utf8' })
}

// What users run is bundled code, so that is measured: made as dist/ is, but elsewhere, since others may be building dist/
// meanwhile. The parts that are compared with the whole (the checksum, a writer for the codecs), or make what is sent, are bundled by themselves.
async function buildSources() {
  const { bundle } = await import('../.ci/bundle.js').catch(() => fail('run `npm ci` first'))
  const doors = {
    index: 'src/index.ts', 'events/index': 'src/events/index.ts', 'kafka/index': 'src/kafka/index.ts', 'testing/index': 'src/testing/index.ts',
    'cluster/index': 'src/cluster/index.ts', 'cli/commitlog': 'src/cli/commitlog.ts',
  }
  const parts = { 'parts/crc32c': 'src/base/crc32c.ts', 'parts/bytes': 'src/base/bytes.ts', 'parts/batch': 'src/format/batch.ts' }
  const bundles = [doors, ...Object.entries(parts).map(([name, path]) => ({ [name]: path }))]
  for (const bundled of bundles) await bundle(root, bundled, join(root, 'build', 'bench'))
}

function fail(message) {
  process.stderr.write(`bench: ${message}\n`)
  process.exit(2)
}
