/*
 * What one connection has said of who it is: the states of an authentication, and those of a later one over the same connection. The rules are
 * those of Kafka's SaslServerAuthenticator: a handshake that names the mechanism, then tokens until it is over; while it goes on nothing else
 * is served; a client that does not get in is told so after a while, and its connection is closed. Spec: KIP-43, KIP-152, KIP-368.
 */
import { type Clock } from '../../base/clock.ts'
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type Peer, type Principal } from '../peer.ts'
import { type SaslConversation, type SaslIdentity, type SaslMechanism, SaslRefusal } from './sasl-mechanism.ts'
import { type ResolvedSasl } from './sasl-options.ts'

/** A connection may authenticate again so often. */
const MIN_REAUTH_INTERVAL_MS = 1000

/** What a session needs of the listener. */
export interface SaslEnvironment {
  readonly sasl: ResolvedSasl
  readonly clock: Clock
  /** Ms that one step may take: a validator of tokens may hang. */
  readonly stepMs: number
  converse(mechanism: SaslMechanism): SaslConversation
  authenticated(peer: Peer, mechanism: SaslMechanism): void
  failed(peer: Peer, mechanism: string, reason: string): void
}

/** What a client is answered. */
export interface SaslAnswer {
  readonly error: KafkaErrorName
  readonly message: string
  readonly bytes: Uint8Array
  /** Ms that the session lasts, from now; 0 when it does not end. */
  readonly lifetimeMs: number
}

/** The state of one connection. */
export class SaslSession {
  /** Tokens come without a header around them, after a handshake of version 0. */
  raw = false
  readonly #peer: Peer
  readonly #env: SaslEnvironment
  /** The conversation that goes on. */
  #talk: { readonly mechanism: SaslMechanism; readonly conversation: SaslConversation } | undefined
  /** Who it was, and how it said so, while it authenticates again and from the first time on. */
  #known: { readonly mechanism: SaslMechanism; readonly principal: Principal } | undefined
  /** The mechanism of a handshake that names another one than the first time. */
  #changed: string | undefined
  /** When it began to authenticate again, the last time. */
  #lastBegun = -Infinity

  constructor(peer: Peer, env: SaslEnvironment) {
    this.#peer = peer
    this.#env = env
  }

  /** What is offered. */
  get mechanisms(): readonly SaslMechanism[] {
    return this.#env.sasl.mechanisms
  }

  /** Whether tokens are awaited: nothing else is served then. */
  get talking(): boolean {
    return this.#talk !== undefined || this.#changed !== undefined
  }

  /** The client names the mechanism. Not called in the middle of an authentication. */
  async handshake(mechanism: string, version: number): Promise<KafkaErrorName> {
    const { clock, sasl } = this.#env
    if (this.#peer.authenticated && !this.#mayBeginAgain(version)) return 'ILLEGAL_SASL_STATE'
    if (this.#known !== undefined) this.#lastBegun = clock.monotonic()
    const offered = sasl.mechanisms.find((name) => name === mechanism)
    if (offered === undefined) {
      await this.#refuse(mechanism, `the mechanism ${mechanism} is not offered`)
      return 'UNSUPPORTED_SASL_MECHANISM'
    }
    this.#peer.authenticated = false
    this.raw = version === 0
    if (this.#known !== undefined && this.#known.mechanism !== offered) this.#changed = offered
    else this.#talk = { mechanism: offered, conversation: this.#env.converse(offered) }
    return 'NONE'
  }

  /** A token of the client. Without a handshake before it, it is out of place. */
  async token(bytes: Buffer): Promise<SaslAnswer> {
    if (this.#changed !== undefined) return this.#otherMechanism(this.#changed)
    if (this.#talk === undefined) {
      return refusal('ILLEGAL_SASL_STATE', 'SaslAuthenticate request received after successful authentication')
    }
    const { mechanism, conversation } = this.#talk
    try {
      const { answer, identity } = await this.#inTime(Promise.resolve(conversation.step(bytes)))
      const lifetimeMs = identity === undefined ? 0 : this.#letIn(mechanism, identity)
      return { error: 'NONE', message: '', bytes: answer, lifetimeMs }
    } catch (error) {
      return this.#keptOut(mechanism, error)
    }
  }

  /** A token without a header: its answer, with its length in front; nothing once the client is in or out. */
  async rawToken(bytes: Uint8Array): Promise<readonly Uint8Array[] | undefined> {
    const { error, bytes: answer } = await this.token(Buffer.from(bytes))
    if (error !== 'NONE') return undefined
    const size = Buffer.alloc(4)
    size.writeInt32BE(answer.length)
    return [size, answer]
  }

  /** Only a session that ends may be begun again; not by raw tokens, and not all the time. */
  #mayBeginAgain(version: number): boolean {
    return version > 0 && this.#peer.sessionEndsAt !== Infinity && this.#env.clock.monotonic() - this.#lastBegun >= MIN_REAUTH_INTERVAL_MS
  }

  #letIn(mechanism: SaslMechanism, { name, expiresAt }: SaslIdentity): number {
    const principal: Principal = { type: 'User', name }
    const before = this.#known?.principal
    if (before !== undefined && before.name !== name) {
      const change = `${before.type}.${before.name}: ${principal.type}.${name}`
      throw new SaslRefusal('the principal is another one', `Cannot change principals during re-authentication from ${change}`)
    }
    this.#talk = undefined
    this.#known = { mechanism, principal }
    this.#peer.principal = principal
    this.#peer.authenticated = true
    this.#env.authenticated(this.#peer, mechanism)
    return this.#begin(expiresAt)
  }

  /** Begins the session; gives how long it lasts. */
  #begin(expiresAt: number | undefined): number {
    const { clock, sasl: { connectionsMaxReauthMs: most } } = this.#env
    const left = expiresAt === undefined ? Infinity : Math.max(0, Math.floor(expiresAt - clock.now()))
    const lifetimeMs = Math.min(left, most > 0 ? most : Infinity)
    this.#peer.sessionEndsAt = clock.monotonic() + lifetimeMs
    return lifetimeMs === Infinity ? 0 : Math.min(lifetimeMs, Number.MAX_SAFE_INTEGER)
  }

  async #keptOut(mechanism: SaslMechanism, error: unknown): Promise<SaslAnswer> {
    const told = error instanceof SaslRefusal ? error.told : undefined
    const again = this.#known === undefined ? 'authentication' : 're-authentication'
    await this.#refuse(mechanism, error instanceof Error ? error.message : String(error))
    const wrong = `Authentication failed during ${again} due to invalid credentials with SASL mechanism ${mechanism}`
    return refusal('SASL_AUTHENTICATION_FAILED', told ?? wrong)
  }

  async #otherMechanism(mechanism: string): Promise<SaslAnswer> {
    const first = this.#known?.mechanism ?? ''
    const reason = `SASL mechanism '${mechanism}' requested by client is not supported for re-authentication of mechanism '${first}'`
    await this.#refuse(mechanism, reason)
    return refusal('SASL_AUTHENTICATION_FAILED', reason)
  }

  /** Waits, so that guessing takes time; then the answer goes out and the connection ends. */
  async #refuse(mechanism: string, reason: string): Promise<void> {
    this.#env.failed(this.#peer, mechanism, reason)
    const { clock, sasl: { failedAuthenticationDelayMs: delayMs } } = this.#env
    if (delayMs > 0) await new Promise<void>((resolve) => void clock.setTimer(resolve, delayMs, { ref: false }))
    this.#peer.leave()
  }

  #inTime<T>(step: Promise<T>): Promise<T> {
    const { clock, stepMs } = this.#env
    return new Promise<T>((resolve, reject) => {
      const timer = clock.setTimer(() => reject(new SaslRefusal('it took too long')), stepMs, { ref: false })
      step.then(resolve, reject).finally(() => timer.cancel())
    })
  }
}

function refusal(error: KafkaErrorName, message: string): SaslAnswer {
  return { error, message, bytes: NO_BYTES, lifetimeMs: 0 }
}

const NO_BYTES = new Uint8Array(0)
