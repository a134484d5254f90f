import { expect, test } from 'vitest'
import { kafkaErrorName, kafkaErrors } from '../../src/format/kafka-errors.ts'

test('numbers are those of the protocol, without a gap, and every number finds its name again', () => {
  expect(kafkaErrors).toMatchObject({
    UNKNOWN_SERVER_ERROR: -1, NONE: 0, UNKNOWN_MEMBER_ID: 25, REBALANCE_IN_PROGRESS: 27, UNSUPPORTED_VERSION: 35, INVALID_PRODUCER_EPOCH: 47,
    NON_EMPTY_GROUP: 68, GROUP_ID_NOT_FOUND: 69, MEMBER_ID_REQUIRED: 79, FENCED_INSTANCE_ID: 82, PRODUCER_FENCED: 90, UNKNOWN_TOPIC_ID: 100,
    FENCED_MEMBER_EPOCH: 110, TRANSACTION_ABORTABLE: 120,
  })
  const numbers = Object.values(kafkaErrors)
  expect(numbers).toEqual(numbers.map((_, index) => index - 1))
  for (const [name, code] of Object.entries(kafkaErrors)) expect(kafkaErrorName(code)).toBe(name)
  expect(kafkaErrorName(32_000)).toBeUndefined()
})
