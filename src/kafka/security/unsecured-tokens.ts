/*
 * Tokens that nobody signed, for tests: a client may say who it is and is believed, as by Kafka's own unsecured validator.
 * Spec: RFC 7515, appendix A.5; KIP-255.
 */
import { checkOptions, describe } from '../../base/options.ts'
import { type OAuthIdentity, type OAuthRefusal, type OAuthValidator } from './oauthbearer.ts'

/** What a token must say. */
export interface UnsecuredTokenOptions {
  /** The claim that names the principal. Default `sub`. */
  readonly principalClaim?: string
  /** Scopes that the claim `scope` must have, each of them. Default none. */
  readonly scopes?: readonly string[]
}

/**
 * A validator for OAUTHBEARER that believes every token with a name and a time at which it expires. UNSAFE: anybody can make one.
 *
 * @throws TypeError for options that cannot be
 */
export function unsecuredTokens(options: UnsecuredTokenOptions = {}): OAuthValidator {
  checkOptions(options, ['principalClaim', 'scopes'], 'unsecuredTokens')
  const { principalClaim = 'sub', scopes = [] } = options
  if (typeof principalClaim !== 'string') throw new TypeError(`principalClaim is a string, not ${describe(principalClaim)}`)
  if (!Array.isArray(scopes)) throw new TypeError(`scopes is an array of strings, not ${describe(scopes)}`)
  return (token) => identityOf(token, principalClaim, scopes)
}

function identityOf(token: string, principalClaim: string, scopes: readonly string[]): OAuthIdentity | OAuthRefusal {
  const [header, claims, signature] = token.split('.')
  if (jsonOf(header)['alg'] !== 'none' || (signature ?? '') !== '') return { error: 'invalid_token' }
  const { [principalClaim]: principal, exp, iat, scope } = jsonOf(claims)
  if (typeof principal !== 'string' || typeof exp !== 'number') return { error: 'invalid_token' }
  if (iat !== undefined && (typeof iat !== 'number' || iat > exp)) return { error: 'invalid_token' }
  const granted = scopesOf(scope)
  if (!scopes.every((wanted) => granted.includes(wanted))) return { error: 'insufficient_scope', scope: scopes.join(' ') }
  return { principal, lifetimeMs: Math.round(exp * 1000) }
}

function scopesOf(claim: unknown): readonly unknown[] {
  return typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? (claim as readonly unknown[]) : []
}

function jsonOf(part: string | undefined): { readonly [name: string]: unknown } {
  const value: unknown = JSON.parse(Buffer.from(part ?? '', 'base64url').toString('utf8'))
  return typeof value === 'object' && value !== null ? (value as { readonly [name: string]: unknown }) : {}
}
