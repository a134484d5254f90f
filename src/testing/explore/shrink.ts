/*
 * Makes a list of deviations smaller for as long as it fails: whole ones go first, then what is left of them becomes less.
 */
import { type Deviation } from './deviation.ts'
import { lesser } from './draw-schedule.ts'

/** Runs that one failure is worth. */
const MOST_RUNS = 200

/** The fewest and least deviations that were found for which `fails` says true, as it does for those given. */
export async function shrunk(
  given: readonly Deviation[], fails: (deviations: readonly Deviation[]) => Promise<boolean>,
): Promise<readonly Deviation[]> {
  let least = given
  let runs = 0
  const better = async (candidate: readonly Deviation[]): Promise<boolean> => {
    if (runs++ >= MOST_RUNS || !(await fails(candidate))) return false
    least = candidate
    return true
  }
  if (given.length > 0 && (await better([]))) return least
  for (let index = 0; index < least.length;) if (!(await better(least.filter((_, other) => other !== index)))) index++
  for (let index = 0; index < least.length; index++) {
    for (const less of lesser(least[index]!)) if (await better(least.map((one, other) => (other === index ? less : one)))) break
  }
  return least
}
