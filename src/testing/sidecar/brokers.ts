/*
 * The brokers that are controlled: the first one, and forks of it and of each other.
 */
import { type ForkOptions, type RestoreOptions, type TestBroker } from '../broker/test-broker.ts'
import { ControlledBroker } from './controlled-broker.ts'
import { Numbered } from './numbered.ts'
import { type Failure, Failures } from './problem.ts'

/** Each has ports of its own. */
const MOST_FORKS = 32

/** All brokers. */
export class Brokers {
  readonly first: ControlledBroker
  readonly forks = new Numbered<ControlledBroker>('fork', MOST_FORKS)
  /** Where the first one is controlled: an address without a slash at its end. */
  url = ''

  constructor(kafka: TestBroker) {
    this.first = new ControlledBroker(kafka, undefined)
  }

  /** Where a broker is controlled. */
  urlOf({ id }: ControlledBroker): string {
    return id === undefined ? this.url : `${this.url}/forks/${id}`
  }

  /** Forks a broker. The fork knows its checkpoints. */
  async fork(broker: ControlledBroker, options: ForkOptions): Promise<ControlledBroker> {
    this.forks.checkRoom()
    const kafka = await broker.kafka.fork(options)
    try {
      const fork = this.forks.addWith((id) => new ControlledBroker(kafka, id))
      fork.checkpoints.takeAll(broker.checkpoints)
      return fork
    } catch (error) {
      await kafka.close()
      throw error
    }
  }

  /** Ends a fork. Gives what the test fails for. */
  closeFork(id: string): Promise<readonly Failure[]> {
    return this.forks.remove(id).close()
  }

  /**
   * A broker is as when it was started; with the first one all forks end, and their ports are free.
   *
   * @throws Failures, after all is done, for what the test fails for, that of the forks too, unless `verify` is false
   */
  async reset(broker: ControlledBroker, { verify, ...options }: RestoreOptions & { readonly verify: boolean }): Promise<void> {
    const failures = [...await broker.reset(options), ...(broker === this.first ? await this.#closeForks() : [])]
    if (verify && failures.length > 0) throw new Failures(failures)
  }

  /** Ends all of them. Gives what the test fails for. */
  async close(): Promise<readonly Failure[]> {
    return (await Promise.all([this.first.close(), this.#closeForks()])).flat()
  }

  async #closeForks(): Promise<Failure[]> {
    const forks = this.forks.entries
    this.forks.clear()
    return (await Promise.all(forks.map(([, fork]) => fork.close()))).flat()
  }
}
