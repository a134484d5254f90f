/*
 * GetTelemetrySubscriptions (71): which metrics clients are asked for: none, as by a broker without a receiver of them. Spec: Kafka's protocol,
 * GetTelemetrySubscriptionsRequest and GetTelemetrySubscriptionsResponse; KIP-714.
 */
import { array, boolean, int16, int32, int8, message, NO_UUID, string, uuid } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { newUuid, uuidText } from '../../format/uuid.ts'
import { defineApi } from '../api.ts'

/** Of the one subscription: to nothing. */
export const SUBSCRIPTION_ID = 0

/** Kafka's codes of codecs, in the order in which its broker prefers them: zstd, lz4, gzip, snappy. */
const COMPRESSION_TYPES = [4, 3, 1, 2]
const PUSH_INTERVAL_MS = 300_000
const MAX_BYTES = 1024 * 1024

/** GetTelemetrySubscriptions. */
export const getTelemetrySubscriptions = defineApi({
  key: 71,
  name: 'GetTelemetrySubscriptions',
  request: message('GetTelemetrySubscriptionsRequest', { versions: [0, 0], flexible: 0 }, {
    clientInstanceId: uuid(),
  }),
  response: message('GetTelemetrySubscriptionsResponse', { versions: [0, 0], flexible: 0 }, {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    clientInstanceId: uuid(),
    subscriptionId: int32(),
    acceptedCompressionTypes: array(int8()),
    pushIntervalMs: int32(),
    telemetryMaxBytes: int32(),
    deltaTemporality: boolean(),
    requestedMetrics: array(string()),
  }),
  handle: ({ clientInstanceId }, { cluster }) => ({
    errorCode: kafkaErrors.NONE,
    clientInstanceId: clientInstanceId === NO_UUID ? uuidText(newUuid(cluster.random)) : clientInstanceId,
    subscriptionId: SUBSCRIPTION_ID,
    acceptedCompressionTypes: COMPRESSION_TYPES,
    pushIntervalMs: PUSH_INTERVAL_MS,
    telemetryMaxBytes: MAX_BYTES,
    deltaTemporality: true,
    requestedMetrics: [],
  }),
  refuse: ({ clientInstanceId }, errorCode) => ({
    errorCode, clientInstanceId, subscriptionId: SUBSCRIPTION_ID, acceptedCompressionTypes: [], pushIntervalMs: PUSH_INTERVAL_MS,
    telemetryMaxBytes: 0, deltaTemporality: false, requestedMetrics: [],
  }),
})
