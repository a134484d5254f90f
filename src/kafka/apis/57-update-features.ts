/*
 * UpdateFeatures (57): the levels of features are what this broker is, and stay: what changes nothing is granted, all else refused. Spec:
 * Kafka's protocol, UpdateFeaturesRequest and UpdateFeaturesResponse; KIP-584.
 */
import { array, boolean, type Decoded, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { defineApi } from '../api.ts'
import { features } from '../features.ts'
import { type Refusal, NO_REFUSAL, refusal } from '../refusal.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const request = message('UpdateFeaturesRequest', { versions: [0, 2], flexible: 0 }, {
  timeoutMs: int32({ default: 60_000 }),
  featureUpdates: array({
    feature: string(),
    maxVersionLevel: int16(),
    allowDowngrade: boolean({ until: 0, default: false }),
    upgradeType: int8({ since: 1, default: 1 }),
  }),
  validateOnly: boolean({ since: 1, default: false }),
})

const response = message('UpdateFeaturesResponse', { versions: [0, 2], flexible: 0 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16(),
  errorMessage: string({ nullable: 0, default: null }),
  results: array({
    feature: string(),
    errorCode: int16(),
    errorMessage: string({ nullable: 0, default: null }),
  }, { until: 1, default: [], ignorable: true }),
})

type Update = Decoded<typeof request>['featureUpdates'][number]

/** UpdateFeatures. */
export const updateFeatures = defineApi({
  key: 57,
  name: 'UpdateFeatures',
  // 1: kinds of upgrades, validation only. 2: one error for all.
  request,
  response,
  handle({ featureUpdates }, { cluster, connection, version }) {
    if (!cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)) {
      return refusal('CLUSTER_AUTHORIZATION_FAILED', 'Cluster authorization failed.')
    }
    return answer(featureUpdates.map((update) => ({ feature: update.feature, ...updated(update) })), version)
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})

function updated({ feature: name, maxVersionLevel: level }: Update): Refusal {
  const feature = features.find((known) => known.name === name)
  if (feature === undefined) return failed(name, level, 'The controller does not support the given upgrade type.')
  return level === feature.level ? NO_REFUSAL : failed(name, level, 'its level is what this broker is, and cannot be changed.')
}

function failed(name: string, level: number, why: string): Refusal {
  return refusal('INVALID_UPDATE_VERSION', `Invalid update version ${level} for feature ${name}. ${why}`)
}

/** From 2 on the first error is that of all. */
function answer(results: readonly ({ readonly feature: string } & Refusal)[], version: number): Encodable<typeof response> {
  if (version < 2) return { errorCode: kafkaErrors.NONE, results }
  const first = results.find(({ errorCode }) => errorCode !== kafkaErrors.NONE)
  return first === undefined ? NO_REFUSAL : { errorCode: first.errorCode, errorMessage: first.errorMessage }
}
