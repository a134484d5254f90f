/*
 * Without the client's package, which is an optional peer: a module of that name that cannot be found stands in for a folder without it.
 */
import { expect, test, vi } from 'vitest'
import { connect } from '../../src/cluster/index.ts'

vi.mock('@platformatic/kafka', () => {
  throw Object.assign(new Error("Cannot find package '@platformatic/kafka'"), { code: 'ERR_MODULE_NOT_FOUND' })
})

test('without the client that speaks to clusters connect is LOG_CLIENT_MISSING, and says what to install', async () => {
  const connecting = connect({ brokers: 'localhost:1' })
  await expect(connecting).rejects.toMatchObject({ name: 'LogError', code: 'LOG_CLIENT_MISSING', retriable: false })
  await expect(connecting).rejects.toThrow('npm install @platformatic/kafka')
})
