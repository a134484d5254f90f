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

/** Kinds of upgrades: only up, down when nothing is lost, down. */
const UPGRADE = 1
const UNSAFE_DOWNGRADE = 3

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
    return answer(featureUpdates.map((update) => ({ feature: update.feature, ...updated(update, cluster.controller.nodeId) })), version)
  },
  refuse: (_request, errorCode) => ({ errorCode }),
})

/** What Kafka's controller says, and that a level stays what it is. */
function updated({ feature: name, maxVersionLevel: level, upgradeType }: Update, nodeId: number): Refusal {
  const wrong = (why: string): Refusal => refusal('INVALID_UPDATE_VERSION', `Invalid update version ${level} for feature ${name}. ${why}`)
  if (upgradeType < UPGRADE || upgradeType > UNSAFE_DOWNGRADE) return wrong('The controller does not support the given upgrade type.')
  if (level < 0) return wrong('A feature version cannot be less than 0.')
  const feature = features.find((known) => known.name === name)
  if (feature === undefined) return wrong(`Local controller ${nodeId} does not support this feature.`)
  const { min, max } = feature
  if (level !== 0 && (level < min || level > max)) return wrong(`Local controller ${nodeId} only supports versions ${min}-${max}`)
  if (level === feature.level) return NO_REFUSAL
  if (level < feature.level && upgradeType === UPGRADE) {
    return wrong('Can\'t downgrade the version of this feature without setting the upgrade type to either safe or unsafe downgrade.')
  }
  return wrong('The level of a feature is what this broker is, and cannot be changed.')
}

/** One error is that of all. */
function answer(results: readonly ({ readonly feature: string } & Refusal)[], version: number): Encodable<typeof response> {
  const failure = results.find(({ errorCode }) => errorCode !== kafkaErrors.NONE)
  if (failure === undefined) return { errorCode: kafkaErrors.NONE, results: version < 2 ? results.map(granted) : [] }
  const { errorCode, errorMessage } = failure
  return { errorCode, errorMessage: `The update failed for all features since the following feature had an error: ${errorMessage}` }
}

/** As Kafka says it. */
function granted({ feature, errorCode }: { readonly feature: string; readonly errorCode: number }): { readonly feature: string } & Refusal {
  return { feature, errorCode, errorMessage: 'NONE' }
}
