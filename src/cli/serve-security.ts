/*
 * What `commitlog serve` is told of security, as `listen` takes it: passwords, and certificates in files.
 */
import { readFileSync } from 'node:fs'
import { type ListenOptions, type TlsOptions } from '../kafka/index.ts'
import { resolvedTls } from '../kafka/security/tls-options.ts'
import { type Call, type Option, UsageError } from './command.ts'

/** The options that `serve` has for it. */
export const securityOptionsHelp: Readonly<Record<string, Option>> = {
  sasl: { value: 'NAME:PASSWORD', many: true, help: 'let in who says this password, by PLAIN or SCRAM; @FILE has such lines' },
  tls: { value: 'CERT,KEY[,CA]', help: 'speak TLS with these files (PEM); with CA, clients must show a certificate that it vouches for' },
  acls: { value: 'PRINCIPAL', many: true, help: 'decide by ACLs what clients may do, and let this one (User:admin) do everything' },
}

/** What `listen` is told. Files are read, and looked at. */
export function securityOptions(call: Call): Pick<ListenOptions, 'sasl' | 'tls' | 'authorizer'> {
  const users = call.texts('sasl').flatMap(usersOf)
  const tls = call.text('tls')
  const superUsers = call.texts('acls')
  const named = superUsers.find((name) => !/^[^:]+:./.test(name))
  if (named !== undefined) throw new UsageError(`--acls takes a principal such as User:admin, not "${named}"`)
  const stranger = superUsers.find((name) => name !== 'User:ANONYMOUS')
  if (stranger !== undefined && users.length === 0 && tls?.split(',').length !== 3) {
    throw new UsageError(`--acls ${stranger}: nobody can be ${stranger} where nobody is asked who they are: --sasl, or --tls with CA, asks`)
  }
  return {
    ...(users.length > 0 && { sasl: { users: Object.fromEntries(users) } }),
    ...(tls !== undefined && { tls: tlsOf(tls) }),
    ...(superUsers.length > 0 && { authorizer: { superUsers } }),
  }
}

function usersOf(text: string): (readonly [name: string, password: string])[] {
  if (!text.startsWith('@')) return [userOf(text, 'NAME:PASSWORD or @FILE')]
  const lines = read(text.slice(1), '--sasl').split(/\r?\n/).filter((line) => line !== '' && !line.startsWith('#'))
  return lines.map((line) => userOf(line, `lines of NAME:PASSWORD in ${text.slice(1)}`))
}

function userOf(text: string, what: string): readonly [string, string] {
  const [, name, password] = /^([^:\0]+):([^\0]+)$/.exec(text) ?? []
  // What was given may be a password: it is not said again.
  if (name === undefined || password === undefined) throw new UsageError(`--sasl takes ${what}`)
  return [name, password]
}

function tlsOf(text: string): TlsOptions {
  const [cert, key, ca, ...more] = text.split(',')
  if (cert === undefined || key === undefined || more.length > 0) throw new UsageError(`--tls takes CERT,KEY or CERT,KEY,CA, not "${text}"`)
  const own = { cert: read(cert, '--tls'), key: read(key, '--tls') }
  return usable(ca === undefined ? own : { ...own, ca: read(ca, '--tls'), clientAuth: 'required' })
}

function usable(tls: TlsOptions): TlsOptions {
  try {
    resolvedTls(tls, '--tls')
    return tls
  } catch (error) {
    throw new UsageError((error as Error).message)
  }
}

function read(path: string, option: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw new UsageError(`${option}: ${path} cannot be read: ${(error as Error).message}`)
  }
}
