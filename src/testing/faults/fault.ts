/*
 * One fault as it lives: which requests it is about, whether it is its turn, how often it happened, and who it keeps waiting.
 */
import { type Random } from '../../base/random.ts'
import { type Exchange } from '../../kafka/exchange.ts'
import { isClient } from '../journal/journal.ts'
import { FaultActions } from './actions.ts'
import { type MessagePlace } from './places.ts'
import { checkAction, checkedApis, checkTarget, checkTriggers, checkUse, type FaultAction, type FaultSpec, faultText } from './spec.ts'

/** A request as faults look at it. */
export interface FaultCall {
  readonly exchange: Exchange
  /** All places that it is about, also those that the client need not say again. */
  places(): readonly MessagePlace[]
}

/** A fault that was asked for. */
export class Fault {
  /** @internal */
  readonly spec: Omit<FaultSpec, 'actions'>
  /** @internal What it does, in this order. */
  readonly actions: FaultAction[] = []
  /** Requests that it was about. */
  calls = 0
  /** How often it happened. */
  fired = 0
  readonly #apis: ReadonlySet<string> | undefined
  readonly #random: Random
  readonly #held = new Set<() => void>()
  #optional: boolean
  #failure: { readonly error: unknown } | undefined
  #cancelled = false

  /** @internal */
  constructor(spec: FaultSpec, { random, nodeIds }: { readonly random: Random; readonly nodeIds: readonly number[] }) {
    this.#apis = checkedApis(spec.api)
    checkTarget(spec.target ?? {}, this.#apis, nodeIds)
    checkTriggers(spec)
    this.spec = spec
    this.#random = random
    this.#optional = spec.optional ?? false
    for (const action of spec.actions) this.#add(action)
  }

  /** The same fault does something more. */
  get and(): FaultActions<this> {
    return new FaultActions((action) => this.#add(action))
  }

  /** It need not happen: the test does not fail for it. */
  optional(): this {
    this.#optional = true
    return this
  }

  /** It happens no more; requests that it holds go on. */
  cancel(): void {
    this.#cancelled = true
    for (const release of this.#held) release()
    this.#held.clear()
  }

  /** What a function of the test threw that it asked, if one did: the test fails for it. */
  get failure(): unknown {
    return this.#failure?.error
  }

  /** Whether the test fails for it, as things stand. */
  get missing(): boolean {
    return this.#failure !== undefined || (this.fired === 0 && !this.#optional)
  }

  /** @internal What a function of the test gives; `otherwise` when it throws, which fails the test and not the connection. */
  ask<T>(ask: () => T, otherwise: T): T {
    try {
      return ask()
    } catch (error) {
      this.#failure ??= { error }
      return otherwise
    }
  }

  /** Whether it will not happen any more. */
  get over(): boolean {
    return this.#cancelled || (this.spec.times !== undefined && this.fired >= this.spec.times)
  }

  /** The fault in words. */
  toString(): string {
    return faultText({ ...this.spec, actions: this.actions })
  }

  /** @internal Whether it happens to this request. */
  strikes(call: FaultCall): boolean {
    if (this.over || !this.#isAbout(call)) return false
    this.calls++
    const { onCalls, every, probability } = this.spec
    if (onCalls !== undefined && !onCalls.includes(this.calls)) return false
    if (every !== undefined && this.calls % every !== 0) return false
    if (probability !== undefined && this.#random.next() >= probability) return false
    this.fired++
    return true
  }

  /** @internal Requests that it keeps waiting. */
  get held(): number {
    return this.#held.size
  }

  /** @internal Whether it is on requests of an API. */
  isOn(api: string): boolean {
    return this.#apis?.has(api) ?? true
  }

  /** @internal It was its turn, and there was nothing to do. */
  missed(): void {
    this.fired--
    this.calls--
  }

  /** @internal Whether it is about a place. */
  isOf(topic: string, partition: number | undefined): boolean {
    const { topic: wanted, partition: number } = this.spec.target ?? {}
    return topic === wanted && (number === undefined || partition === undefined || partition === number)
  }

  /** @internal Waits until it is cancelled, or `signal` is aborted: true when the request is to go on. */
  hold(signal: AbortSignal): Promise<boolean> {
    return new Promise((resolve) => {
      const end = (goOn: boolean): void => {
        this.#held.delete(release)
        signal.removeEventListener('abort', abort)
        resolve(goOn)
      }
      const release = (): void => end(true)
      const abort = (): void => end(false)
      if (this.#cancelled || signal.aborted) return resolve(this.#cancelled)
      this.#held.add(release)
      signal.addEventListener('abort', abort, { once: true })
    })
  }

  #add(action: FaultAction): this {
    checkAction(action)
    checkUse(action, this.#apis)
    this.actions.push(action)
    return this
  }

  #isAbout(call: FaultCall): boolean {
    const { api, request, context: { clientId, connection, broker } } = call.exchange
    if (!this.isOn(api.name)) return false
    const { topic, group, client, connection: wanted, broker: nodeId } = this.spec.target ?? {}
    if (!this.ask(() => isClient(clientId, client), false) || (wanted !== undefined && wanted !== connection.id)) return false
    if (nodeId !== undefined && nodeId !== broker.nodeId) return false
    if (group !== undefined && !isAboutGroup(request, group)) return false
    if (topic !== undefined && !call.places().some((place) => this.isOf(place.topic, place.partition))) return false
    const { matching } = this.spec
    return matching === undefined || this.ask(() => matching(request), false)
  }
}

function isAboutGroup(request: Exchange['request'], group: string): boolean {
  const { groupId, groups, key, coordinatorKeys, keyType, groupsNames } = request
  if (groupId === group || (keyType !== 1 && key === group)) return true
  const named = [groups, coordinatorKeys, groupsNames].flatMap((list) => (Array.isArray(list) ? list as unknown[] : []))
  return named.some((one) => one === group || (typeof one === 'object' && one !== null && (one as Record<string, unknown>)['groupId'] === group))
}
