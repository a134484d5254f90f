/*
 * The doors of the test kit for runners that are not vitest: node:test's assertions here, and Jest's `expect` as far as it can be stood in for.
 */
import { AssertionError } from 'node:assert'
import { afterEach, expect, test } from 'vitest'
import { assertKafka, testBroker } from '../../../src/testing/node.ts'
import { matchers } from '../../../src/testing/index.ts'

const ended: (() => Promise<void>)[] = []
const context = { after: (done: () => Promise<void>): void => void ended.push(done) }

afterEach(async () => {
  for (const end of ended.splice(0)) await end()
})

test('a broker ends with its test, and the matchers are assertions', async () => {
  const kafka = await testBroker(context, { topics: { orders: 1 } })
  kafka.topic('orders').append({ key: 'a', value: { id: 1 } })
  await assertKafka(kafka).toHaveProduced('orders', { key: 'a', value: { id: 1 } })
  await assertKafka(kafka).not.toHaveProduced('orders', { key: 'b' })
  await expect(assertKafka(kafka).toHaveProducedExactly('orders', 0)).rejects.toThrow(AssertionError)
  await expect(assertKafka(kafka).not.toHaveProduced('orders', { key: 'a' })).rejects.toThrow('A record of topic "orders" is { key: \'a\' }')
  await ended.splice(0)[0]!()
  await expect(kafka.checkpoint()).rejects.toThrow('closed')
})

test('Jest\'s global expect gets the matchers, and without one it is said', async () => {
  const added: object[] = []
  const world = globalThis as { expect?: object }
  await expect(import('../../../src/testing/jest.ts')).rejects.toThrow('there is no global expect')
  world.expect = { extend: (more: object) => added.push(more) }
  try {
    await import('../../../src/testing/jest.ts?again' as '../../../src/testing/jest.ts')
  } finally {
    delete world.expect
  }
  expect(added).toEqual([matchers])
})
