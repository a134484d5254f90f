/*
 * Scenarios that were asked for over HTTP: they end when whoever waits for one has gone, and with faults; of those that nobody waits for it is known
 * what became of them.
 */
import { type TestBroker } from '../broker/test-broker.ts'
import { parseScenario, runScenario, type ScenarioVerbs } from '../faults/scenario.ts'
import { type Failure } from './problem.ts'

/** Of the broker's time, that is moved for one. */
const MOST_TIME = '365d'
/** What timers of the machine can wait. */
const MOST_REAL_MS = 0x7fff_ffff

/** One that nobody waits for. */
interface Unattended {
  readonly text: string
  /** Steps that were begun. */
  begun: number
  failure: Failure | undefined
}

/** The scenarios of a broker. */
export class Scenarios {
  readonly #kafka: TestBroker
  #ending = new AbortController()
  #unattended: Unattended[] = []

  constructor(kafka: TestBroker) {
    this.#kafka = kafka
  }

  /** What the test fails for: steps that failed, and scenarios of which no step was ever done. */
  get failures(): readonly Failure[] {
    return this.#unattended.flatMap(({ text, begun, failure }) => {
      if (failure !== undefined) return [failure]
      return begun > 0 ? [] : [{ code: 'SCENARIO_FAILED', message: `a scenario never began, since its time did not come: ${text}` }]
    })
  }

  /** Runs one, and moves time that stands for it. It ends when `signal` is aborted. Throws what its first failed step threw. */
  async run(text: string, signal: AbortSignal): Promise<void> {
    const { clock } = this.#kafka
    const left = new AbortController()
    const running = this.#begin(text, AbortSignal.any([signal, left.signal]), () => {})
    try {
      await (clock.mode === 'virtual' ? clock.runUntil(running, MOST_TIME) : running)
      signal.throwIfAborted()
    } finally {
      left.abort()
    }
  }

  /** Runs one that nobody waits for. */
  runUnattended(text: string): void {
    const scenario: Unattended = { text, begun: 0, failure: undefined }
    const running = this.#begin(text, undefined, () => { scenario.begun++ })
    this.#unattended.push(scenario)
    running.catch((error: unknown) => {
      const message = `a scenario failed: ${error instanceof Error ? error.message : String(error)}`
      scenario.failure = { code: 'SCENARIO_FAILED', message }
    })
  }

  /** Ends and forgets all. */
  clear(): void {
    this.#ending.abort()
    this.#ending = new AbortController()
    this.#unattended = []
  }

  /** What nobody understands is told now, and brokers that there are not. */
  #begin(text: string, signal: AbortSignal | undefined, begun: () => void): Promise<void> {
    const { clock, faults } = this.#kafka
    for (const { atMs, text: step, run } of parseScenario(text)) {
      if (clock.mode === 'real' && atMs > MOST_REAL_MS) throw new RangeError(`"${step}" is too far off for the clock of the machine`)
      void run(checking(this.#kafka))
    }
    const verbs = counted({
      down: (nodeId) => faults.broker(nodeId).down(), up: (nodeId) => faults.broker(nodeId).up(),
      moveLeader: (topic, partition, nodeId) => faults.partition(topic, partition).moveLeader(nodeId),
      rehashCoordinators: () => faults.rehashCoordinators(),
    }, begun)
    return runScenario(text, clock.clock, verbs, signal === undefined ? this.#ending.signal : AbortSignal.any([signal, this.#ending.signal]))
  }
}

/** Does nothing but throw for a broker that there is not. */
function checking({ faults }: TestBroker): ScenarioVerbs {
  const check = (nodeId: number): Promise<void> => {
    void faults.broker(nodeId)
    return Promise.resolve()
  }
  return { down: check, up: check, moveLeader: (_topic, _partition, nodeId) => check(nodeId), rehashCoordinators: () => Promise.resolve() }
}

function counted(verbs: ScenarioVerbs, begun: () => void): ScenarioVerbs {
  const counting = <P extends readonly unknown[]>(verb: (...given: P) => Promise<void>) => (...given: P): Promise<void> => {
    begun()
    return verb(...given)
  }
  const { down, up, moveLeader, rehashCoordinators } = verbs
  return { down: counting(down), up: counting(up), moveLeader: counting(moveLeader), rehashCoordinators: counting(rehashCoordinators) }
}
