/*
 * Runs Emmett's own tests and documented programs on our event store: wherever they ask for the store in memory they are given ours. Emmett 0.43 is
 * not published, so this wants a checkout of its repository with what its tests import installed:
 *
 *     node test/interop/emmett/upstream.js ../emmett [path of tests …]
 */
import { existsSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startVitest } from 'vitest/node'

const [checkout, ...paths] = process.argv.slice(2)
const sources = join(resolve(checkout ?? ''), 'src')
if (checkout === undefined || !existsSync(join(sources, 'packages/emmett/src/eventStore/inMemoryEventStore.ts'))) {
  process.stderr.write('upstream.js is given a checkout of event-driven-io/emmett\n')
  process.exit(2)
}
const ours = fileURLToPath(new URL('../../../src/', import.meta.url))

/** What stands in the place of Emmett's store in memory: the same function, which opens ours when it is first asked. */
const module = `
import { emmettEventStore } from ${JSON.stringify(`${ours}emmett/emmett-store.ts`)}
import { CommitLog } from ${JSON.stringify(`${ours}index.ts`)}
import { getInMemoryDatabase } from '../database/inMemoryDatabase'
export const InMemoryEventStoreDefaultStreamVersion = 0n
export const getInMemoryEventStore = ({ database = getInMemoryDatabase(), ...options } = {}) => {
  let opened
  const open = async () => emmettEventStore(await CommitLog.memory(), {
    ...options, emmett: { ...await import('../index') }, projectionContext: { database },
  })
  const method = (name) => async (...given) => (await (opened ??= open()))[name](...given)
  const [readStream, aggregateStream, appendToStream, streamExists] = ['readStream', 'aggregateStream', 'appendToStream', 'streamExists'].map(method)
  return { database, readStream, aggregateStream, appendToStream, streamExists }
}
`
const alias = ['almanac', 'emmett', 'emmett-expressjs'].map((name) => ({
  find: new RegExp(`^@event-driven-io/${name}$`), replacement: join(sources, 'packages', name, 'src/index.ts'),
}))
const wanted = paths.length > 0 ? paths : [
  'packages/emmett/src', 'packages/emmett-expressjs/src', 'packages/emmett-tests/src/errorHandling/failureEvents',
  'packages/emmett-tests/src/eventStore/inMemory', 'docs/snippets/gettingStarted',
]
const vitest = await startVitest('test', wanted, { root: sources, watch: false, config: false, pool: 'forks', include: ['**/*.spec.ts'] }, {
  resolve: { alias },
  server: { fs: { strict: false } },
  plugins: [{
    name: 'our store', enforce: 'pre',
    load: (id) => (id.split('?')[0].endsWith('/emmett/src/eventStore/inMemoryEventStore.ts') ? module : undefined),
  }],
})
await vitest.close()
