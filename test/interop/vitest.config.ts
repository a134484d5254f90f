import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    globalSetup: ['test/interop/toolchain.ts'],
    pool: 'forks',
    fileParallelism: false,
    reporters: ['verbose'],
    testTimeout: 120_000,
    hookTimeout: 300_000,
    // What a test waits for comes at once or never; one second is too little for a busy machine.
    expect: { poll: { timeout: 20_000, interval: 5 } },
  },
})
