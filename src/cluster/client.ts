/*
 * The one place that knows the client's package, which is an optional peer: it opens connections, secures them, and encodes what is asked of
 * brokers. Why this one, and what of it is used: docs/design/.
 */
import type * as Package from '@platformatic/kafka'
import { LogError } from '../base/errors.ts'

/** The client's package. */
export type ClientPackage = typeof Package

const PACKAGE = '@platformatic/kafka'

let loaded: Promise<ClientPackage> | undefined

/**
 * Loads the client, once.
 *
 * @throws LogError `LOG_CLIENT_MISSING`
 */
export function loadClient(): Promise<ClientPackage> {
  return (loaded ??= (import(PACKAGE) as Promise<ClientPackage>).catch((error: unknown) => {
    loaded = undefined
    throw new LogError('LOG_CLIENT_MISSING', `commitlog/cluster needs ${PACKAGE}: npm install ${PACKAGE}`, { package: PACKAGE }, error)
  }))
}
