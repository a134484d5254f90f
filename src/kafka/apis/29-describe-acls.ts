/*
 * DescribeAcls (29): which ACLs there are. Spec: Kafka's protocol, KIP-140, KIP-290.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { type Acl, aclFilterFields, aclNumbers, filterOf, saysUnknown } from '../security/acls.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

const response = message('DescribeAclsResponse', { versions: [1, 3], flexible: 2 }, {
  throttleTimeMs: int32({ default: 0 }),
  errorCode: int16(),
  errorMessage: string({ nullable: 0 }),
  resources: array({
    resourceType: int8(),
    resourceName: string(),
    patternType: int8({ since: 1, default: 3 }),
    acls: array({ principal: string(), host: string(), operation: int8(), permissionType: int8() }),
  }),
})

/** DescribeAcls. */
export const describeAcls = defineApi({
  key: 29,
  name: 'DescribeAcls',
  // 1: kinds of patterns. 2: flexible. 3: resources of the type USER.
  request: message('DescribeAclsRequest', { versions: [1, 3], flexible: 2 }, aclFilterFields),
  response,
  handle(request, { cluster, connection }) {
    const failed = (errorCode: number, errorMessage: string | null): DescribedAcls => ({ errorCode, errorMessage, resources: [] })
    if (!cluster.authorizer.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)) {
      return failed(kafkaErrors.CLUSTER_AUTHORIZATION_FAILED, null)
    }
    const { acls } = cluster.security
    if (acls === undefined) return failed(kafkaErrors.SECURITY_DISABLED, 'No Authorizer is configured on the broker')
    const filter = filterOf(request)
    if (saysUnknown(filter)) return failed(kafkaErrors.INVALID_REQUEST, null)
    return { errorCode: kafkaErrors.NONE, errorMessage: '', resources: byResource(acls.find(filter)) }
  },
  refuse: (_request, errorCode) => ({ errorCode, errorMessage: null, resources: [] }),
})

type DescribedAcls = Encodable<typeof response>

/** Those that follow one another about the same pattern stand together. */
function byResource(acls: readonly Acl[]): DescribedAcls['resources'] {
  const resources: (Omit<DescribedAcls['resources'][number], 'acls'> & { acls: DescribedAcls['resources'][number]['acls'][number][] })[] = []
  for (const acl of acls) {
    const { resourceType, resourceName, patternType, principal, host, operation, permissionType } = aclNumbers(acl)
    const last = resources.at(-1)
    const same = last?.resourceType === resourceType && last.resourceName === resourceName && last.patternType === patternType
    const entry = { principal, host, operation, permissionType }
    if (same) last.acls.push(entry)
    else resources.push({ resourceType, resourceName, patternType, acls: [entry] })
  }
  return resources
}
