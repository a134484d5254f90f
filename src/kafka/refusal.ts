/*
 * An error code with its message, as the parts of admin answers carry them.
 */
import { isLogError } from '../base/errors.ts'
import { type KafkaErrorName, kafkaErrors } from '../format/kafka-errors.ts'
import { errorCodeOf } from './error-codes.ts'

/** What is answered for one thing that was asked. */
export interface Refusal {
  readonly errorCode: number
  readonly errorMessage: string | null
}

/** Nothing is wrong. */
export const NO_REFUSAL: Refusal = { errorCode: kafkaErrors.NONE, errorMessage: null }

/** An error of Kafka's with words of its own. */
export function refusal(name: KafkaErrorName, errorMessage: string | null = null): Refusal {
  return { errorCode: kafkaErrors[name], errorMessage }
}

/** What a thrown error is answered with. What nobody thought of is thrown on: its words are not for a client. */
export function refusalOf(error: unknown): Refusal {
  if (!isLogError(error)) throw error
  return { errorCode: errorCodeOf(error), errorMessage: error.message }
}
