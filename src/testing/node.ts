/*
 * The door `commitlog/testing/node`: a test broker for tests of `node:test`, and the matchers as assertions.
 */
import { assertionError } from './assertion-error.ts'
import { startTestBroker, type TestBroker } from './broker/test-broker.ts'
import { type TestBrokerOptions } from './broker/options.ts'
import { type KafkaMatchers } from './matchers/kafka-matchers.ts'
import { type MatcherContext, type MatcherResult, matchers } from './matchers/matchers.ts'

/** What of a test's context is used. */
export interface NodeTestContext {
  after(done: () => Promise<void>): void
}

/** The matchers as assertions: each is to be awaited, and throws an AssertionError. */
export interface KafkaAssertions extends KafkaMatchers<void> {
  /** The opposite of each: looks once. */
  readonly not: KafkaMatchers<void>
}

/**
 * A broker for one test: closed when the test is over, whatever came of it, and behind what the test itself asked `after` for.
 *
 * @param context  what `test` of `node:test` gives its function
 * @example
 * test('an order is paid', async (t) => {
 *   const kafka = await testBroker(t, { topics: { orders: 3 } })
 *   await assertKafka(kafka).toHaveProduced('orders', { key: 'o-1' })
 * })
 */
export async function testBroker(context: NodeTestContext, options: TestBrokerOptions = {}): Promise<TestBroker> {
  const kafka = await startTestBroker(options)
  // Hooks run in the order in which they were asked for. One that is asked for now comes behind those of the test, which stop its services.
  context.after(async () => context.after(() => kafka.close()))
  return kafka
}

/** Assertions about a broker, for runners without an `expect`. Values are compared as by `assert.deepStrictEqual`. */
export function assertKafka(kafka: TestBroker): KafkaAssertions {
  return { ...assertions(kafka, {}), not: assertions(kafka, { isNot: true }) }
}

function assertions(kafka: TestBroker, context: MatcherContext): KafkaMatchers<void> {
  const said = Object.entries(matchers).map(([name, matcher]) => [name, async (...args: never[]): Promise<void> => {
    const ask = matcher as (this: MatcherContext, broker: TestBroker, ...args: never[]) => Promise<MatcherResult>
    const { pass, message } = await ask.call(context, kafka, ...args)
    if (pass === (context.isNot === true)) throw assertionError({ message: message() })
  }])
  return Object.fromEntries(said) as unknown as KafkaMatchers<void>
}
