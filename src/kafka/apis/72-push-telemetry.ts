/*
 * PushTelemetry (72): metrics of clients. Nobody asks for any, and what comes is not looked at. Spec: Kafka's protocol, PushTelemetryRequest and
 * PushTelemetryResponse; KIP-714.
 */
import { boolean, bytes, int16, int32, int8, message, NO_UUID, uuid } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi } from '../api.ts'
import { SUBSCRIPTION_ID } from './71-get-telemetry-subscriptions.ts'

/** PushTelemetry. */
export const pushTelemetry = defineApi({
  key: 72,
  name: 'PushTelemetry',
  request: message('PushTelemetryRequest', { versions: [0, 0], flexible: 0 }, {
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    terminating: boolean(),
    compressionType: int8(),
    metrics: bytes(),
  }),
  response: message('PushTelemetryResponse', { versions: [0, 0], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
  }),
  handle({ clientInstanceId, subscriptionId }) {
    if (clientInstanceId === NO_UUID) return { errorCode: kafkaErrors.INVALID_REQUEST }
    return { errorCode: subscriptionId === SUBSCRIPTION_ID ? kafkaErrors.NONE : kafkaErrors.UNKNOWN_SUBSCRIPTION_ID }
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})
