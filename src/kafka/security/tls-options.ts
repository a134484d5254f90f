/*
 * What a listener speaks TLS with, as options have it: checked, with its defaults.
 */
import type { SecureContextOptions } from 'node:tls'
import { checkFunction, checkOneOf, checkOptions, describe } from '../../base/options.ts'

/** What a listener speaks TLS with. */
export interface TlsOptions {
  /** The private key, in PEM. */
  readonly key: string | Buffer
  /** The certificate, in PEM, with those between it and the root behind it. */
  readonly cert: string | Buffer
  /** The certificates that those of clients are trusted by, in PEM. */
  readonly ca?: string | Buffer | readonly (string | Buffer)[]
  /** What the key is encrypted with. */
  readonly passphrase?: string
  /**
   * Whether clients show a certificate: not at all, if they have one, or always. Its subject (`CN=ada,O=Example`) is the name of the
   * principal, unless there is SASL too. Default `'none'`; else there must be `ca`.
   */
  readonly clientAuth?: 'none' | 'requested' | 'required'
  /** Makes the name of the principal from the subject. Default: the subject is the name, as in Kafka. */
  readonly principal?: (subject: string) => string
}

/** The options as they hold. */
export interface ResolvedTls {
  readonly context: SecureContextOptions
  readonly clientAuth: 'none' | 'requested' | 'required'
  readonly principal: (subject: string) => string
}

const names = ['key', 'cert', 'ca', 'passphrase', 'clientAuth', 'principal']
const PRIVATE_KEY = / PRIVATE KEY-----/
const CERTIFICATE = /-----BEGIN (?:TRUSTED |X509 )?CERTIFICATE-----/
const clientAuths = ['none', 'requested', 'required']

/**
 * Checks what a listener was told, and that its key and certificates can be used.
 *
 * @param where  for the message: `tls of listen`
 * @throws TypeError
 */
export function resolvedTls(given: TlsOptions, where: string): ResolvedTls {
  checkOptions(given, names, where)
  const { key, cert, ca, passphrase, clientAuth = 'none', principal } = given
  checkPem(key, PRIVATE_KEY, `key of ${where} is a private key in PEM`)
  checkPem(cert, CERTIFICATE, `cert of ${where} is a certificate in PEM`)
  for (const one of ca === undefined ? [] : [ca].flat()) checkPem(one, CERTIFICATE, `ca of ${where} is one or several certificates in PEM`)
  if (passphrase !== undefined && typeof passphrase !== 'string') throw new TypeError(`passphrase of ${where} is a string`)
  checkOneOf(clientAuth, `clientAuth of ${where}`, clientAuths)
  checkFunction(principal, `principal of ${where}`)
  if (clientAuth !== 'none' && ca === undefined) throw new TypeError(`clientAuth '${clientAuth}' of ${where} needs ca: by what clients are trusted`)
  const context: SecureContextOptions = {
    key, cert, ...(ca !== undefined && { ca: ca as string | Buffer | (string | Buffer)[] }), ...(passphrase !== undefined && { passphrase }),
  }
  checkUsable(context, where)
  return { context, clientAuth, principal: principal ?? ((subject) => subject) }
}

function checkUsable(context: SecureContextOptions, where: string): void {
  try {
    // node:tls takes long to load, and most listeners do without.
    process.getBuiltinModule('node:tls').createSecureContext(context)
  } catch (error) {
    throw new TypeError(`key and certificates of ${where} cannot be used: ${(error as Error).message}`, { cause: error })
  }
}

/** What stands there is never said again: it may be a key. */
function checkPem(value: unknown, kind: RegExp, what: string): void {
  if ((typeof value !== 'string' && !Buffer.isBuffer(value)) || value.length === 0) {
    throw new TypeError(`${what}, a string or Buffer, not ${describe(value)}`)
  }
  const text = value.toString()
  if (kind.test(text)) return
  if (PRIVATE_KEY.test(text)) throw new TypeError(`${what}, and this is a private key`)
  if (CERTIFICATE.test(text)) throw new TypeError(`${what}, and this is a certificate`)
  throw new TypeError(`${what}: the contents of the file, not its path; this has no line that begins one`)
}
