/*
 * Faults in sentences: `on('Produce', { topic: 'orders' }).times(2).error('NOT_LEADER_OR_FOLLOWER')`. What stands before the last word says when,
 * the last says what; `and` says something more.
 */
import { type Decoding } from '../journal/entry.ts'
import { FaultActions } from './actions.ts'
import { type Fault } from './fault.ts'
import { type FaultSpec } from './spec.ts'

/** Makes a fault of a description. */
export type FaultMaker = (spec: FaultSpec) => Fault

/** When a fault happens, and what it then does. */
export class FaultBuilder extends FaultActions<Fault> {
  readonly #spec: Omit<FaultSpec, 'actions'>
  readonly #make: FaultMaker

  /** @internal */
  constructor(spec: Omit<FaultSpec, 'actions'>, make: FaultMaker) {
    super((action) => make({ ...spec, actions: [action] }))
    this.#spec = spec
    this.#make = make
  }

  /** To the first request that fits. */
  once(): FaultBuilder {
    return this.times(1)
  }

  /** To the first so many. Without it: to all. */
  times(times: number): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, times }, this.#make)
  }

  /** To these of the requests that fit, from 1 on. */
  onCall(...onCalls: readonly number[]): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, onCalls }, this.#make)
  }

  /** To every so manieth of them. */
  every(every: number): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, every }, this.#make)
  }

  /** To those that `matching` says true of. */
  matching(matching: (request: Decoding) => boolean): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, matching }, this.#make)
  }

  /** To each with this probability, 0 to 1, drawn from the seed of the broker. */
  withProbability(probability: number): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, probability }, this.#make)
  }

  /** It need not happen: by default a fault that never happened fails the test. */
  optional(): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, optional: true }, this.#make)
  }

  /** A name for messages. */
  named(name: string): FaultBuilder {
    return new FaultBuilder({ ...this.#spec, name }, this.#make)
  }
}
