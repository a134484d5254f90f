/*
 * A test broker as it is controlled from outside: what was asked for by number, and what the test is to fail for.
 */
import { isLogError } from '../../base/errors.ts'
import { type Checkpoint, type RestoreOptions, type TestBroker } from '../broker/test-broker.ts'
import { type Fault } from '../faults/fault.ts'
import { type SessionRecorder } from '../recording/session-recorder.ts'
import { type Contract } from '../strict/contract.ts'
import { Numbered } from './numbered.ts'
import { type Failure } from './problem.ts'
import { Scenarios } from './scenarios.ts'

const MOST_FAULTS = 10_000
const MOST_CHECKPOINTS = 1000
const MOST_CONTRACTS = 1000
const MOST_RECORDINGS = 32
/** What `reset` and `close` of a broker say of a test that fails. */
const failureCodes = ['LOG_FAULT_UNFIRED', 'LOG_STRICT', 'LOG_CONTRACT_BROKEN']

/** A broker with what was asked of it. */
export class ControlledBroker {
  readonly kafka: TestBroker
  /** Of a fork; undefined for the first one. */
  readonly id: string | undefined
  readonly faults = new Numbered<Fault>('fault', MOST_FAULTS)
  readonly checkpoints = new Numbered<Checkpoint>('checkpoint', MOST_CHECKPOINTS)
  readonly contracts = new Numbered<Contract>('contract', MOST_CONTRACTS)
  readonly recordings = new Numbered<SessionRecorder>('recording', MOST_RECORDINGS)
  readonly scenarios: Scenarios

  constructor(kafka: TestBroker, id: string | undefined) {
    this.kafka = kafka
    this.id = id
    this.scenarios = new Scenarios(kafka)
  }

  /** What a test of this broker fails for, as things stand. */
  get failures(): readonly Failure[] {
    const { faults, strict } = this.kafka
    const checks = [() => faults.check(), () => strict?.check(), ...this.contracts.entries.map(([, contract]) => () => contract.check())]
    return [...checks.flatMap(failureOf), ...this.scenarios.failures]
  }

  /** Ends and forgets all faults, and scenarios. */
  clearFaults(): void {
    this.kafka.faults.clear()
    this.faults.clear()
    this.scenarios.clear()
  }

  /** As when it was started. Gives what the test fails for. */
  async reset(options: RestoreOptions): Promise<readonly Failure[]> {
    const { failures } = this
    this.scenarios.clear()
    await this.kafka.reset(options).catch(unlessFailure)
    this.faults.clear()
    this.contracts.clear()
    for (const [id] of this.recordings.entries) this.recordings.remove(id).stop()
    return failures
  }

  /** Ends it. Gives what the test fails for. */
  async close(): Promise<readonly Failure[]> {
    const { failures } = this
    this.scenarios.clear()
    await this.kafka.close().catch(unlessFailure)
    return failures
  }
}

function failureOf(check: () => void): Failure[] {
  try {
    check()
    return []
  } catch (error) {
    if (!isLogError(error)) throw error
    return [{ code: error.code, message: error.message }]
  }
}

/** What the test fails for was asked before, and all of it. */
function unlessFailure(error: unknown): void {
  if (!isLogError(error) || !failureCodes.includes(error.code)) throw error
}
