/*
 * What a log has to do wherever it lives, as cases that run on any PortableLog: in memory, on disk, behind `commitlog/cluster`. Every case
 * makes topics and groups of its own, so that a log that is shared and full serves as well as an empty one. Register the cases with a test
 * runner (`portableConformance`), or run them and get the outcomes (`runPortableConformance`).
 *
 * What the contract leaves open is not asked: offsets have gaps behind transactions, the order between partitions is anybody's.
 */
import { systemRandom } from '../../base/random.ts'
import { type PortableLog } from '../../topics/contract.ts'
import { type ConformanceOutcome, outcomesOf, registerCases } from '../conformance.ts'
import { endingCases } from './ending-cases.ts'
import { commitCases, groupCases, memberCases } from './group-cases.ts'
import { type LogUnderTest, type PortableCase } from './log-under-test.ts'
import { managedCases } from './managed-cases.ts'
import { loopCases, startCases } from './reading-cases.ts'
import { signalCases } from './signal-cases.ts'
import { producerCases, sendCases, topicCases } from './topic-cases.ts'
import { transactionCases } from './transaction-cases.ts'

/** Where {@link portableConformance} registers its cases: the words that vitest, jest, mocha and node:test have. */
export interface PortableConformanceHooks {
  readonly test: (name: string, run: () => Promise<void>) => unknown
  /** A log; it is closed after each case. */
  readonly open: () => Promise<LogUnderTest>
  /** Called for a case that needs what the log does not have. Default: it passes. */
  readonly unsupported?: (name: string) => unknown
}

/** All cases, in the order in which they run. */
export const portableCases: readonly PortableCase[] = [
  ...topicCases, ...sendCases, ...producerCases, ...startCases, ...loopCases, ...commitCases, ...memberCases, ...groupCases,
  ...transactionCases, ...managedCases, ...signalCases, ...endingCases,
]

/**
 * Registers the cases as tests.
 *
 * @example
 * portableConformance({ test, open: async () => { const log = await CommitLog.memory(); return { log, close: () => log.close() } } })
 */
export function portableConformance({ test, open, unsupported }: PortableConformanceHooks): void {
  registerCases(portableCases, (one) => runCase(one, open), test, unsupported)
}

/** Runs the cases one after the other and tells what became of them. */
export async function runPortableConformance(open: () => Promise<LogUnderTest>): Promise<ConformanceOutcome[]> {
  return outcomesOf(portableCases, (one) => runCase(one, open))
}

async function runCase(one: PortableCase, open: () => Promise<LogUnderTest>): Promise<boolean> {
  const under = await open()
  const opened: PortableLog[] = []
  const run = Buffer.from(systemRandom.bytes(6)).toString('hex')
  let names = 0
  try {
    if (one.needs?.(under) === false) return false
    await one.run({
      log: under.log,
      async another() {
        const log = await under.another!()
        opened.push(log)
        return log
      },
      name: (what) => `${what}-${run}-${names++}`,
    })
    return true
  } finally {
    for (const log of opened) await log.close()
    await under.close()
  }
}
