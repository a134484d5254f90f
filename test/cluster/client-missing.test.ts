/*
 * Without the client's package, which is an optional peer: here Node finds no module of that name, as in a folder where nobody installed it.
 */
import { register } from 'node:module'
import { expect, test } from 'vitest'
import { connect } from '../../src/cluster/index.ts'

const hooks = `
export async function resolve(specifier, context, next) {
  if (!specifier.includes('@platformatic/kafka')) return next(specifier, context)
  throw Object.assign(new Error("Cannot find package '@platformatic/kafka'"), { code: 'ERR_MODULE_NOT_FOUND' })
}`

test('without the client that speaks to clusters connect is LOG_CLIENT_MISSING, and says what to install', async () => {
  register(`data:text/javascript,${encodeURIComponent(hooks)}`)
  const connecting = connect({ brokers: 'localhost:1' })
  await expect(connecting).rejects.toMatchObject({ name: 'LogError', code: 'LOG_CLIENT_MISSING', retriable: false })
  await expect(connecting).rejects.toThrow('npm install @platformatic/kafka')
})
