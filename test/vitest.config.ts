import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/interop/**'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 60_000,
    maxConcurrency: 2,
    // What a test waits for comes at once or never; one second is too little for a busy machine.
    expect: { poll: { timeout: 20_000, interval: 5 } },
  },
})
