/*
 * What `npm run simulate` starts: the simulation of test/simulation for as long as asked, with fresh seeds or with the one that is given.
 * JavaScript, so that it runs as it is on every Node; the simulation itself runs in vitest, as in `npm test`.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'

const { values } = parseArgs({
  options: { seconds: { type: 'string', default: '60' }, seed: { type: 'string' }, help: { type: 'boolean', default: false } },
})
if (values.help || !(Number(values.seconds) > 0)) {
  process.stdout.write('Usage: npm run simulate -- [--seconds N] [--seed N]\n')
  process.exit(values.help ? 0 : 2)
}
const root = fileURLToPath(new URL('../..', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const parameters = [vitest, 'run', 'test/simulation/simulation.test.ts', '--config', 'test/vitest.config.ts', '--disable-console-intercept=true']
const env = { ...process.env, SIMULATE_SECONDS: values.seconds, ...(values.seed === undefined ? {} : { SEED: values.seed }) }
process.exitCode = spawnSync(process.execPath, parameters, { cwd: root, env, stdio: 'inherit' }).status ?? 1
