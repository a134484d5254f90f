/*
 * The doors of the test kit for runners that are not vitest: node:test's assertions here, and Jest's `expect` as far as it can be stood in for.
 */
import { AssertionError } from 'node:assert'
import { tmpdir } from 'node:os'
import { afterEach, expect, test } from 'vitest'
import { assertKafka, testBroker } from '../../../src/testing/node.ts'
import { matchers } from '../../../src/testing/index.ts'
import { run } from '../../tools/outside.ts'

// As node:test does it: in order, also those that come while it goes on.
const ended: (() => Promise<void>)[] = []
const context = { after: (done: () => Promise<void>): void => void ended.push(done) }
async function endTest(): Promise<void> {
  for (let end = ended.shift(); end !== undefined; end = ended.shift()) await end()
}

afterEach(endTest)

test('a broker ends with its test, and the matchers are assertions', async () => {
  const kafka = await testBroker(context, { topics: { orders: 1 } })
  kafka.topic('orders').append({ key: 'a', value: { id: 1 } })
  await assertKafka(kafka).toHaveProduced('orders', { key: 'a', value: { id: 1 } })
  await assertKafka(kafka).not.toHaveProduced('orders', { key: 'b' })
  await expect(assertKafka(kafka).toHaveProducedExactly('orders', 0)).rejects.toThrow(AssertionError)
  await expect(assertKafka(kafka).not.toHaveProduced('orders', { key: 'a' })).rejects.toThrow('A record of topic "orders" is { key: \'a\' }')
  await endTest()
  await expect(kafka.checkpoint()).rejects.toThrow('closed')
})

test('a broker is there still when the test stops its service', async () => {
  const kafka = await testBroker(context)
  let stopped: readonly unknown[] | undefined
  context.after(async () => { stopped = await kafka.log.topics() })
  await endTest()
  expect(stopped).toEqual([])
})

test('node:test runs a hook that is asked for by a hook behind all others', async () => {
  const program = `
    import { test } from 'node:test'
    test('x', (t) => {
      t.after(() => { t.after(() => console.log('the last')) })
      t.after(() => console.log('the first'))
    })`
  const { stdout } = await run(process.execPath, ['--test-reporter=tap', '--input-type=module', '--eval', program], { cwd: tmpdir() })
  expect(stdout).toMatch(/the first[^]*the last/)
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
