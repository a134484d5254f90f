/*
 * What an event store has to do, as cases that run on any store through a small adapter: versions, expected versions and races, ranges,
 * idempotence, global order, what a reopen finds. Cases that a store has no verb for are told as such and do not count as failed.
 * Register them with a test runner (`storeConformance`), or run them and get the outcomes (`runStoreConformance`).
 */
import { type ConformanceOutcome, outcomesOf, registerCases } from './conformance.ts'
import { conformanceCases } from './store-cases.ts'
import { type ConformanceCase, type StoreUnderTest } from './store-under-test.ts'

/** Where {@link storeConformance} registers its cases: the words that vitest, jest, mocha and node:test have. */
export interface ConformanceHooks {
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** An empty store; it is closed after each case. */
  readonly open: () => Promise<StoreUnderTest>
  /** Default: `test`, with a case that passes. */
  readonly unsupported?: (name: string) => unknown
}

/** Registers the cases as tests: `storeConformance({ test, open: async () => underTest(await myStore()) })`. */
export function storeConformance({ test, open, unsupported }: ConformanceHooks): void {
  registerCases(conformanceCases, (one) => runCase(one, open), test, unsupported)
}

/** Runs the cases one after the other, each on an empty store, and tells what became of them. */
export async function runStoreConformance(open: () => Promise<StoreUnderTest>): Promise<ConformanceOutcome[]> {
  return outcomesOf(conformanceCases, (one) => runCase(one, open))
}

async function runCase(one: ConformanceCase, open: () => Promise<StoreUnderTest>): Promise<boolean> {
  let store = await open()
  try {
    if (one.needs !== undefined && !one.needs(store)) return false
    store = (await one.run(store)) ?? store
    return true
  } finally {
    await store.close()
  }
}
