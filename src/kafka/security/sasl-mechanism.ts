/*
 * What the SASL mechanisms have in common: a conversation that takes what the client sends and gives what it is answered, until it knows who
 * the client is or that it is not who it says.
 */

/** The name of a SASL mechanism. */
export type SaslMechanism = 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER'

/** The mechanisms that there are. */
export const saslMechanisms: readonly SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512', 'OAUTHBEARER']

/** What a step of a conversation came to. */
export interface SaslStep {
  /** What the client is sent. */
  readonly answer: Uint8Array
  /** Who it is; undefined while the conversation goes on. */
  readonly identity?: SaslIdentity
}

/** Who a client has shown to be. */
export interface SaslIdentity {
  /** The name of its principal. */
  readonly name: string
  /** When what it showed runs out, in ms since 1970. */
  readonly expiresAt?: number
}

/** The server's side of one conversation. */
export interface SaslConversation {
  /** @throws SaslRefusal when the client does not get in */
  step(bytes: Buffer): SaslStep | Promise<SaslStep>
}

/** A client that does not get in. */
export class SaslRefusal extends Error {
  override readonly name = 'SaslRefusal'
  /** What the client is told; undefined when it is told no more than that its credentials are wrong. */
  readonly told: string | undefined

  /**
   * @param reason  for our own eyes
   * @param told    for the client's
   */
  constructor(reason: string, told?: string) {
    super(reason)
    this.told = told
  }
}

/** A refusal whose reason the client may know. */
export function refused(reason: string): SaslRefusal {
  return new SaslRefusal(reason, reason)
}

/** No bytes. */
export const NOTHING: Uint8Array = new Uint8Array(0)
