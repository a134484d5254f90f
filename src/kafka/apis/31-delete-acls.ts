/*
 * DeleteAcls (31): takes out the ACLs that filters find. Spec: Kafka's protocol, KIP-140, KIP-290.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { type Acl, aclFilterFields, aclNumbers, filterOf, unknownIn } from '../security/acls.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const response = message('DeleteAclsResponse', { versions: [1, 3], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  filterResults: array({
    errorCode: int16(),
    errorMessage: string({ nullable: 0 }),
    matchingAcls: array({
      errorCode: int16(),
      errorMessage: string({ nullable: 0 }),
      resourceType: int8(),
      resourceName: string(),
      patternType: int8({ since: 1, default: 3 }),
      principal: string(),
      host: string(),
      operation: int8(),
      permissionType: int8(),
    }),
  }),
})

/** DeleteAcls. */
export const deleteAcls = defineApi({
  key: 31,
  name: 'DeleteAcls',
  // 1: kinds of patterns. 2: flexible. 3: resources of the type USER.
  request: message('DeleteAclsRequest', { versions: [1, 3], flexible: 2 }, {
    filters: array(aclFilterFields),
  }),
  response,
  async handle({ filters }, { cluster, connection }) {
    const allowed = cluster.authorizer.allows(connection, 'ALTER', 'CLUSTER', CLUSTER_RESOURCE)
    if (!allowed) return all(filters.length, kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, null)
    const { acls } = cluster.security
    if (acls === undefined) return all(filters.length, kafkaErrors.SECURITY_DISABLED, 'No Authorizer is configured.')
    const found = filters.map((given): readonly Acl[] | string => {
      const filter = filterOf(given)
      return unknownIn(filter) ?? acls.find(filter)
    })
    await acls.remove(found.flatMap((of) => (typeof of === 'string' ? [] : of)))
    return { filterResults: found.map(result) }
  },
  refuse: ({ filters }, errorCode) => all(filters.length, errorCode, null),
})

type FilterResult = Encodable<typeof response>['filterResults'][number]

function result(found: readonly Acl[] | string): FilterResult {
  if (typeof found === 'string') return { errorCode: kafkaErrors.INVALID_REQUEST, errorMessage: found, matchingAcls: [] }
  const matchingAcls = found.map((acl) => ({ errorCode: kafkaErrors.NONE, errorMessage: null, ...aclNumbers(acl) }))
  return { errorCode: kafkaErrors.NONE, errorMessage: null, matchingAcls }
}

function all(count: number, errorCode: number, errorMessage: string | null): Encodable<typeof response> {
  return { filterResults: Array.from({ length: count }, () => ({ errorCode, errorMessage, matchingAcls: [] })) }
}
