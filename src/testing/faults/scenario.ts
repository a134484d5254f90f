/*
 * Faults of the cluster by the clock of the broker, as a text: `t+0 down 1; t+5s up 1; t+6s rehash coordinators`.
 */
import { type Clock } from '../../base/clock.ts'
import { durationMs } from '../clock/durations.ts'

/** What a step of a scenario may do. */
export interface ScenarioVerbs {
  down(nodeId: number): Promise<void>
  up(nodeId: number): Promise<void>
  moveLeader(topic: string, partition: number, nodeId: number): Promise<void>
  rehashCoordinators(): Promise<void>
}

/** One step. */
interface Step {
  readonly atMs: number
  readonly text: string
  readonly run: (verbs: ScenarioVerbs) => Promise<void>
}

const STEP = /^t\+(\S+)\s+(.+)$/

/**
 * Reads the steps. They are split by semicolons and ends of lines.
 *
 * @throws TypeError for a step that nobody understands
 */
export function parseScenario(text: string): readonly Step[] {
  return text.split(/[;\n]/).map((line) => line.trim()).filter((line) => line !== '').map((line) => {
    const [, at, words] = STEP.exec(line) ?? []
    if (at === undefined || words === undefined) throw new TypeError(`a step is "t+5s down 2", not "${line}"`)
    return { atMs: /^\d+$/.test(at) ? Number(at) : durationMs(at, 'the time of a step'), text: line, run: verbOf(words) }
  })
}

/**
 * Runs the steps at their times from now on; resolves when the last is done, or when `signal` ends it, and rejects with what the first failed one
 * threw.
 */
export async function runScenario(text: string, clock: Clock, verbs: ScenarioVerbs, signal: AbortSignal): Promise<void> {
  if (signal.aborted) return
  await Promise.all(parseScenario(text).map(({ atMs, run }) => new Promise<void>((resolve, reject) => {
    const end = (): void => {
      timer.cancel()
      resolve()
    }
    const timer = clock.setTimer(() => {
      signal.removeEventListener('abort', end)
      void Promise.resolve().then(() => run(verbs)).then(resolve, reject)
    }, atMs)
    signal.addEventListener('abort', end, { once: true })
  })))
}

function verbOf(words: string): Step['run'] {
  const [, verb, node] = /^(down|kill|up)\s+(?:broker\s+)?(\d+)$/.exec(words) ?? []
  if (verb !== undefined) return (verbs) => (verb === 'up' ? verbs.up(Number(node)) : verbs.down(Number(node)))
  const [, topic, partition, to] = /^move\s+(\S+)-(\d+)\s+to\s+(\d+)$/.exec(words) ?? []
  if (topic !== undefined) return (verbs) => verbs.moveLeader(topic, Number(partition), Number(to))
  if (words === 'rehash coordinators') return (verbs) => verbs.rehashCoordinators()
  throw new TypeError(`a step says "down 2", "up 2", "move orders-0 to 2" or "rehash coordinators", not "${words}"`)
}
