/*
 * Cases of a conformance suite, however they are run: as the tests of a runner, or one after the other.
 */

/** What became of a case. */
export interface ConformanceOutcome {
  readonly name: string
  readonly outcome: 'passed' | 'failed' | 'unsupported'
  /** Why it failed. */
  readonly reason?: string
}

/** Runs a case; false for one that needs what is not there. */
type RunCase<C> = (one: C) => Promise<boolean>

/** Registers cases as tests; one that needs what is not there passes, and is told of. */
export function registerCases<C extends { readonly name: string }>(
  cases: readonly C[], run: RunCase<C>, test: (name: string, run: () => Promise<void>) => unknown, unsupported?: (name: string) => unknown,
): void {
  for (const one of cases) {
    test(one.name, async () => {
      if (!(await run(one))) unsupported?.(one.name)
    })
  }
}

/** Runs cases one after the other, and tells what became of them. */
export async function outcomesOf<C extends { readonly name: string }>(cases: readonly C[], run: RunCase<C>): Promise<ConformanceOutcome[]> {
  const outcomes: ConformanceOutcome[] = []
  for (const one of cases) {
    const { name } = one
    try {
      outcomes.push({ name, outcome: (await run(one)) ? 'passed' : 'unsupported' })
    } catch (error) {
      outcomes.push({ name, outcome: 'failed', reason: (error as Error | undefined)?.message ?? String(error) })
    }
  }
  return outcomes
}
