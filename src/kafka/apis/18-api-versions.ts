/*
 * ApiVersions (18): which APIs there are, and in which versions. The first thing that a client asks; computed from the list of APIs, so that
 * it cannot say what is not so. Spec: Kafka's protocol, KIP-35, KIP-511, KIP-584.
 */
import { array, boolean, type Encodable, int16, int32, int64, message, string } from '../../format/schema.ts'
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { type AnyApi, defineApi } from '../api.ts'
import { features, FEATURES_EPOCH } from '../features.ts'

/** Kafka's number of it. */
export const API_VERSIONS_KEY = 18

const FIRST = 0
const LAST = 4
/** What a client may call itself. */
const SOFTWARE_NAME = /^[a-zA-Z0-9](?:[a-zA-Z0-9\-.]*[a-zA-Z0-9])?$/
const MAX_NAME = 255

/** ApiVersions. */
export const apiVersions = defineApi({
  key: API_VERSIONS_KEY,
  name: 'ApiVersions',
  beforeAuthentication: true,
  // 3: flexible; the client says what it is. 4: features may begin at level 0.
  request: message('ApiVersionsRequest', { versions: [FIRST, LAST], flexible: 3 }, {
    clientSoftwareName: string({ since: 3, default: '', ignorable: true }),
    clientSoftwareVersion: string({ since: 3, default: '', ignorable: true }),
  }),
  // 1: throttle time. 3: flexible, features. 4: features may begin at level 0.
  response: message('ApiVersionsResponse', { versions: [FIRST, LAST], flexible: 3 }, {
    errorCode: int16(),
    apiKeys: array({ apiKey: int16(), minVersion: int16(), maxVersion: int16() }),
    throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
    supportedFeatures: array({ name: string(), minVersion: int16(), maxVersion: int16() }, { since: 3, tag: 0, default: [], ignorable: true }),
    finalizedFeaturesEpoch: int64({ since: 3, tag: 1, default: -1, ignorable: true }),
    finalizedFeatures: array({
      name: string(), maxVersionLevel: int16(), minVersionLevel: int16(),
    }, { since: 3, tag: 2, default: [], ignorable: true }),
    zkMigrationReady: boolean({ since: 3, tag: 3, default: false, ignorable: true }),
  }),
  handle({ clientSoftwareName: name, clientSoftwareVersion: version }, { cluster, connection, version: asked }) {
    if (asked >= 3) {
      if (!isSoftwareName(name) || !isSoftwareName(version)) return { errorCode: kafkaErrors.INVALID_REQUEST, apiKeys: [] }
      connection.software = { name, version }
    }
    // Clients that speak 3 fail over a feature that begins at level 0.
    const supported = features.filter(({ min }) => asked >= 4 || min > 0)
    return {
      errorCode: kafkaErrors.NONE,
      apiKeys: cluster.apis.map(advertised),
      supportedFeatures: supported.map(({ name, min, max }) => ({ name, minVersion: min, maxVersion: max })),
      finalizedFeaturesEpoch: FEATURES_EPOCH,
      finalizedFeatures: features.map(({ name, level }) => ({ name, maxVersionLevel: level, minVersionLevel: level })),
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, apiKeys: [] }),
})

/** For a client that asked in a version that is not served: it tries again with one that is. */
export function unsupportedVersionAnswer(api: AnyApi): Encodable<typeof apiVersions.response> {
  return { errorCode: kafkaErrors.UNSUPPORTED_VERSION, apiKeys: [advertised(api)] }
}

function advertised({ key, request, advertisedFrom }: AnyApi): { apiKey: number; minVersion: number; maxVersion: number } {
  return { apiKey: key, minVersion: advertisedFrom ?? request.first, maxVersion: request.last }
}

function isSoftwareName(name: string): boolean {
  return name.length <= MAX_NAME && SOFTWARE_NAME.test(name)
}
