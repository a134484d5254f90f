/*
 * CreateAcls (30): adds ACLs, which are kept with the log. Spec: Kafka's protocol, KIP-140, KIP-290.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { type Acl, aclOf } from '../security/acls.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const response = message('CreateAclsResponse', { versions: [1, 3], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  results: array({ errorCode: int16(), errorMessage: string({ nullable: 0 }) }),
})

/** CreateAcls. */
export const createAcls = defineApi({
  key: 30,
  name: 'CreateAcls',
  // 1: kinds of patterns. 2: flexible. 3: resources of the type USER.
  request: message('CreateAclsRequest', { versions: [1, 3], flexible: 2 }, {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ since: 1, default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  }),
  response,
  async handle({ creations }, { cluster, connection }) {
    const allowed = cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)
    if (!allowed) return all(creations.length, kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, null)
    const { acls } = cluster.security
    if (acls === undefined) return all(creations.length, kafkaErrors.SECURITY_DISABLED, 'No Authorizer is configured.')
    const made: (Acl | string)[] = creations.map(({ resourcePatternType, ...rest }) => aclOf({ ...rest, patternType: resourcePatternType }))
    await acls.add(made.filter((acl) => typeof acl !== 'string'))
    return { results: made.map(result) }
  },
  refuse: ({ creations }, errorCode) => all(creations.length, errorCode, null),
})

function result(acl: Acl | string): { errorCode: number; errorMessage: string } {
  return typeof acl === 'string' ? { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: acl } : { errorCode: kafkaErrors.NONE, errorMessage: '' }
}

function all(count: number, errorCode: number, errorMessage: string | null): Encodable<typeof response> {
  return { results: Array.from({ length: count }, () => ({ errorCode, errorMessage })) }
}
