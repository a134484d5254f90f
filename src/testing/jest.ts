/*
 * The door `commitlog/testing/jest`: adds the matchers to Jest's `expect`, which Jest has made global.
 */
import { type KafkaMatchers } from './matchers/kafka-matchers.ts'
import { matchers } from './matchers/matchers.ts'

const { expect } = globalThis as { readonly expect?: { extend(added: typeof matchers): void } }
if (expect === undefined) {
  const otherwise = 'where it is imported from @jest/globals, say expect.extend(matchers) with those of commitlog/testing'
  throw new TypeError(`there is no global expect: import commitlog/testing/jest in a test of Jest, or in setupFilesAfterEnv; ${otherwise}`)
}
expect.extend(matchers)

declare global {
  namespace jest {
    // The matchers hang on the interface by its own name.
    interface Matchers<R> extends KafkaMatchers<R> {}
  }
}
