/*
 * What `npm run simulate` starts: the lives of test/simulation, each kind in turn, for as long as asked together, with fresh seeds or with the
 * one that is given. JavaScript, so that it runs as it is on every Node; the simulation itself runs in vitest, as in `npm test`.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

/** Their test files. */
const kinds = {
  log: 'simulation/simulation', transactions: 'simulation/transactions', compaction: 'simulation/compacting', groups: 'simulation/groups',
  events: 'events/simulation', wire: 'kafka/fuzz',
}

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, lives: { type: 'string' }, help: { type: 'boolean', default: false },
  },
})
const chosen = values.lives?.split(',') ?? (values.seed === undefined ? Object.keys(kinds) : ['log'])
if (values.help || !(Number(values.seconds) > 0) || chosen.some((kind) => !(kind in kinds)) || (values.seed !== undefined && chosen.length > 1)) {
  process.stdout.write(`Usage: npm run simulate -- [--seconds N] [--lives ${Object.keys(kinds).join(',')}] [--seed N]\n`)
  process.exit(values.help ? 0 : 2)
}
const root = fileURLToPath(new URL('../..', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const seconds = String(Number(values.seconds) / chosen.length)
const env = { ...process.env, SIMULATE_SECONDS: seconds, ...(values.seed === undefined ? {} : { SEED: values.seed }) }
for (const kind of chosen) {
  const file = `test/${kinds[kind]}.test.ts`
  const parameters = [vitest, 'run', file, '--config', 'test/vitest.config.ts', '--disable-console-intercept=true']
  const { status } = spawnSync(process.execPath, parameters, { cwd: root, env, stdio: 'inherit' })
  if (status !== 0) process.exitCode = status ?? 1
}
