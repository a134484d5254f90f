/*
 * The door `commitlog/testing/vitest`: adds the matchers to vitest's `expect`, and gives a fixture with a test broker.
 */
import { expect, test as base, type TestAPI } from 'vitest'
import { startTestBroker, type TestBroker } from './broker/test-broker.ts'
import { type TestBrokerOptions } from './broker/options.ts'
import { type KafkaMatchers } from './matchers/kafka-matchers.ts'
import { matchers } from './matchers/matchers.ts'

expect.extend(matchers)

declare module 'vitest' {
  // The matchers hang on the interface by its own name.
  interface Matchers<T = any> extends KafkaMatchers<T> {}
}

/** What a test of {@link kafkaTest} gets. */
export interface KafkaFixture {
  /** A broker of the test's own: closed when the test is over, whatever came of it. */
  readonly kafka: TestBroker
}

/**
 * vitest's `test` with a broker for each test that asks for one.
 *
 * @example
 * const test = kafkaTest({ topics: { orders: 3 } })
 * test('an order is paid', async ({ kafka }) => {
 *   await expect(kafka).toHaveProduced('orders', { key: 'o-1' })
 * })
 */
export function kafkaTest(options: TestBrokerOptions = {}): TestAPI<KafkaFixture> {
  return base.extend<KafkaFixture>({
    // vitest reads the names of the first parameter to know what a fixture needs.
    kafka: async ({}, use) => {
      const kafka = await startTestBroker(options)
      try {
        await use(kafka)
      } finally {
        await kafka.close()
      }
    },
  })
}
