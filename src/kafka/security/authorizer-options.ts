/*
 * Who may do what, as options have it: checked, with its defaults.
 */
import { checkBoolean, checkOptions, describe } from '../../base/options.ts'
import { type AclRules } from './acl-authorizer.ts'
import { type AclInput, checkedAcl } from './acls.ts'
import { type Authorizer } from './authorizer.ts'

/** Decide by ACLs. */
export interface AclOptions {
  /** Principals that may do everything: `['User:admin']`. Default none. */
  readonly superUsers?: readonly string[]
  /** Whether everybody may do everything to what no ACL is about. Default false, as in Kafka. */
  readonly allowEveryoneIfNoAclFound?: boolean
  /** In force from the start on, beside those that clients made. */
  readonly acls?: readonly AclInput[]
}

/**
 * Checks what `listen` was told: a decider of its own, or what ACLs are decided by; undefined when everybody may do everything.
 *
 * `true` is short for ACLs that clients make, and that bind only what they are about.
 *
 * @throws TypeError
 */
export function resolvedAuthorizer(given: true | AclOptions | Authorizer | undefined): Authorizer | AclRules | undefined {
  if (given === undefined) return undefined
  if (given === true) return { superUsers: [], allowEveryoneIfNoAclFound: true, acls: [] }
  if (typeof given !== 'object' || given === null) {
    throw new TypeError(`authorizer of listen is true, an object or an Authorizer, not ${describe(given)}`)
  }
  if ('allows' in given) {
    if (typeof given.allows !== 'function') throw new TypeError(`allows of an Authorizer is a function, not ${describe(given.allows)}`)
    return given
  }
  checkOptions(given, ['superUsers', 'allowEveryoneIfNoAclFound', 'acls'], 'authorizer of listen')
  const { superUsers = [], allowEveryoneIfNoAclFound = false, acls = [] } = given
  checkList(superUsers, 'superUsers of authorizer of listen')
  checkList(acls, 'acls of authorizer of listen')
  checkBoolean(allowEveryoneIfNoAclFound, 'allowEveryoneIfNoAclFound of authorizer of listen')
  for (const name of superUsers) {
    if (typeof name === 'string' && /^.+:./.test(name)) continue
    throw new TypeError(`a super user is a principal such as 'User:admin', not ${describe(name)}`)
  }
  return { superUsers, allowEveryoneIfNoAclFound, acls: acls.map((acl, index) => checkedAcl(acl, `acls[${index}] of authorizer of listen`)) }
}

function checkList(value: unknown, name: string): void {
  if (!Array.isArray(value)) throw new TypeError(`${name} is an array, not ${describe(value)}`)
}
