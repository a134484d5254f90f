/*
 * Who clients are and what they may do, for all brokers of one listener: its mechanisms, credentials and ACLs, and the session of each
 * connection that is asked who it is.
 */
import { type Clock } from '../../base/clock.ts'
import { type Random } from '../../base/random.ts'
import { type LogCore } from '../../topics/log-core.ts'
import { ClusterFile, type KeptSection } from '../cluster-file.ts'
import { type ListenerEvent } from '../events.ts'
import { type Peer } from '../peer.ts'
import { AclAuthorizer, type AclRules } from './acl-authorizer.ts'
import { allowAll, type Authorizer } from './authorizer.ts'
import { type KeptValue } from './kept.ts'
import { type ResolvedListener } from './listener-options.ts'
import { OAuthConversation } from './oauthbearer.ts'
import { PlainConversation } from './plain.ts'
import { type SaslConversation, type SaslMechanism } from './sasl-mechanism.ts'
import { type ResolvedSasl } from './sasl-options.ts'
import { SaslSession } from './sasl-session.ts'
import { ScramConversation } from './scram.ts'
import { ScramCredentials } from './scram-credentials.ts'

/** What a listener was told of security, and what it stands on. */
export interface SecurityParts {
  readonly listeners: readonly ResolvedListener[]
  readonly authorizer: Authorizer | AclRules | undefined
  /** Ms that one step of an authentication may take. */
  readonly stepMs: number
  readonly tell: (event: ListenerEvent) => void
}

/** Characters of an event. */
const MAX_SHOWN = 200

/** The session of a connection, among its notes. */
const SESSION = Symbol('sasl session')

/** Security of one listener. */
export class Security {
  readonly authorizer: Authorizer
  readonly #core: LogCore
  readonly #parts: SecurityParts
  readonly #sasl: ReadonlyMap<string, ResolvedSasl | undefined>
  #scram: ScramCredentials | undefined

  /** @throws LogError when what is kept of it cannot be read */
  constructor(core: LogCore, parts: SecurityParts) {
    const { listeners, authorizer } = parts
    this.#core = core
    this.#parts = parts
    this.#sasl = new Map(listeners.map(({ name, sasl }) => [name, sasl]))
    if (authorizer === undefined) this.authorizer = allowAll
    else this.authorizer = 'allows' in authorizer ? authorizer : new AclAuthorizer(authorizer, keptValue(core, 'acls'))
  }

  /** The ACLs; undefined when nothing is decided by them. */
  get acls(): AclAuthorizer | undefined {
    return this.authorizer instanceof AclAuthorizer ? this.authorizer : undefined
  }

  /** Credentials for SCRAM. */
  get scram(): ScramCredentials {
    const named = [...this.#sasl.values()].flatMap((sasl) => (sasl === undefined || !offersScram(sasl) ? [] : [...sasl.passwords.keys()]))
    this.#scram ??= new ScramCredentials(named, keptValue(this.#core, 'scram'), this.#random)
    return this.#scram
  }

  /** What a connection has said of who it is; undefined when nobody asks at its listener. */
  session(peer: Peer): SaslSession | undefined {
    const known = peer.notes.get(SESSION)
    if (known instanceof SaslSession) return known
    const sasl = this.#sasl.get(peer.listener)
    if (sasl === undefined) return undefined
    const session = this.#newSession(peer, sasl)
    peer.notes.set(SESSION, session)
    return session
  }

  #newSession(peer: Peer, sasl: ResolvedSasl): SaslSession {
    const { tell, stepMs } = this.#parts
    return new SaslSession(peer, {
      sasl, stepMs, clock: this.#clock,
      converse: (mechanism) => this.#converse(mechanism, sasl),
      authenticated: ({ id, principal: { type, name } }, mechanism) => {
        tell({ type: 'authenticated', connection: id, principal: `${type}:${name}`, mechanism })
      },
      failed: ({ id }, mechanism, reason) => {
        tell({ type: 'authentication-failed', connection: id, mechanism: shown(mechanism), reason: shown(reason) })
      },
    })
  }

  #converse(mechanism: SaslMechanism, { passwords, oauthbearer }: ResolvedSasl): SaslConversation {
    if (mechanism === 'PLAIN') return new PlainConversation(passwords)
    // There is no mechanism OAUTHBEARER without a function for it: options are refused.
    if (mechanism === 'OAUTHBEARER') return new OAuthConversation(oauthbearer!, this.#clock)
    return new ScramConversation(mechanism, (user) => this.scram.find(user, mechanism, passwords.get(user)), this.#random)
  }

  get #clock(): Clock {
    return this.#core.env.clock
  }

  get #random(): Random {
    return this.#core.env.random
  }
}

/** What a client may have made as long as it likes. */
function shown(text: string): string {
  return text.length <= MAX_SHOWN ? text : `${text.slice(0, MAX_SHOWN)}…`
}

function offersScram({ mechanisms }: ResolvedSasl): boolean {
  return mechanisms.some((name) => name.startsWith('SCRAM'))
}

function keptValue(core: LogCore, section: KeptSection): KeptValue {
  const file = ClusterFile.of(core)
  return { get: () => file.get(section), change: (next) => file.change(section, next) }
}
