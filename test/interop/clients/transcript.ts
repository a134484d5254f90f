/*
 * What a client must say in a scenario: the steps of the file in expected/ that all clients share, but for what is known to be different with
 * this one, each with its reason.
 */
import { readFileSync } from 'node:fs'

export const scenarios = ['codecs', 'idempotence', 'records', 'group', 'consumer-group', 'transactions', 'admin'] as const
export type Scenario = (typeof scenarios)[number]

/** A line that a program said. */
export interface Step {
  readonly scenario?: string
  readonly step: string
  readonly [detail: string]: unknown
}

/** Where a client differs from what the others do, on a real Kafka as well. */
export interface Difference {
  readonly scenario: Scenario
  /** The number of the step, from 0; all of them when it is left out. */
  readonly step?: number
  /** What it says instead; left out, it says nothing there. */
  readonly says?: Readonly<Record<string, unknown>>
  readonly reason: string
}

/** The steps of a scenario as this client has to say them; undefined when it has no part in it. */
export function expectedSteps(scenario: Scenario, differences: readonly Difference[]): Step[] | undefined {
  const { steps } = JSON.parse(readFileSync(new URL(`expected/${scenario}.json`, import.meta.url), 'utf8')) as { readonly steps: readonly Step[] }
  const own = differences.filter((difference) => difference.scenario === scenario)
  if (own.some(({ step }) => step === undefined)) return undefined
  return steps.flatMap((expected, index) => {
    const difference = own.find(({ step }) => step === index)
    if (difference === undefined) return [expected]
    return difference.says === undefined ? [] : [{ ...expected, ...difference.says }]
  })
}

/** The steps of one scenario out of all that a program printed. Lines that are no JSON are an error. */
export function saidSteps(printed: string, scenario: Scenario): Step[] {
  const said = printed.split('\n').filter((line) => line !== '').map((line) => JSON.parse(line) as Step)
  return said.filter((step) => step.scenario === scenario).map(({ scenario: _scenario, ...step }) => step)
}
