import { defineConfig } from 'vitest/config'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** The files that take longest begin first, so that both workers end at about the same time. */
const longest = ['clients/real', 'clients/clients', 'cluster/kills', 'cluster/conformance', 'clients/tools', 'clients/kills']

class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const place = ({ moduleId }: TestSpecification): number => longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`)) >>> 0
    return files.toSorted((one, other) => place(one) - place(other))
  }
}

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/interop/toolchain.ts'],
    pool: 'forks',
    // Much of the time is spent in waiting: for virtual machines, sessions, rebalances. More at once than two would be too much for two cores.
    maxWorkers: 2,
    sequence: { sequencer: LongestFirst },
    reporters: ['verbose'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    // What a test waits for comes at once or never; one second is too little for a busy machine.
    expect: { poll: { timeout: 20_000, interval: 5 } },
  },
})
