import { createHash } from 'node:crypto'
import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest, first: what begins last should end soon, or the other cores have nothing left to do. */
const longest = [
  'package', 'simulation/planted-faults', 'docs', 'cli/process', 'examples', 'topics/processes', 'cluster/portable-conformance', 'topics/kills',
  'topics/crashes', 'events/crashes', 'simulation/simulation', 'cluster/mirror-kills', 'topics/hostile-folder', 'log/compaction-crashes',
  'topics/sweeps', 'events/simulation', 'tidy', 'simulation/groups', 'topics/consume/crashes', 'testing/sidecar/hostile', 'cluster/time',
]

/** SHUFFLE=n runs the files in an order that n draws: none may need that another one ran before it. */
const SHUFFLE = process.env['SHUFFLE']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = (await super.sort(files)).map((file) => ({ file, place: place(file.moduleId) }))
    return sorted.sort((a, b) => (a.place < b.place ? -1 : a.place > b.place ? 1 : 0)).map(({ file }) => file)
  }
}

function place(path: string): number | string {
  if (SHUFFLE !== undefined) return createHash('sha256').update(`${SHUFFLE} ${path}`).digest('hex')
  const index = longest.findIndex((name) => path.endsWith(`/test/${name}.test.ts`))
  return index < 0 ? longest.length : index
}

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**'],
    globalSetup: ['test/tools/scratch-folder.ts'],
    setupFiles: ['test/tools/clean-up.ts'],
    pool: 'forks',
    // On two cores it would be one otherwise.
    maxWorkers: Math.max(2, availableParallelism()),
    sequence: { sequencer: LongestFirst },
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxConcurrency: 2,
    // What a test waits for comes at once or never; one second is too little for a busy machine.
    expect: { poll: { timeout: 20_000, interval: 5 } },
  },
})
