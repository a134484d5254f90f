/*
 * DeleteGroups (42): groups without members go, with what they committed. Spec: Kafka's protocol, DeleteGroupsRequest and
 * DeleteGroupsResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { groupRefusal } from '../coordination.ts'

/** DeleteGroups. */
export const deleteGroups = defineApi({
  key: 42,
  name: 'DeleteGroups',
  // 2: flexible.
  request: message('DeleteGroupsRequest', { versions: [0, 2], flexible: 2 }, {
    groupsNames: array(string()),
  }),
  // 2: flexible.
  response: message('DeleteGroupsResponse', { versions: [0, 2], flexible: 2 }, {
    throttleTimeMs: int32({ default: 0 }),
    results: array({ groupId: string(), errorCode: int16() }),
  }),
  async handle({ groupsNames }, context) {
    const groups = await context.cluster.groups()
    const results = await Promise.all([...new Set(groupsNames)].map(async (groupId) => {
      const error = groupRefusal(context, 'DELETE', groupId, { named: false }) ?? (await groups.deleteGroup(groupId)).error
      return { groupId, errorCode: kafkaErrors[error] }
    }))
    // As Kafka has it: those that the peer may not delete come last.
    const isForbidden = (result: { readonly errorCode: number }): boolean => result.errorCode === kafkaErrors.GROUP_AUTHORIZATION_FAILED
    return { results: [...results.filter((result) => !isForbidden(result)), ...results.filter(isForbidden)] }
  },
  refuse: ({ groupsNames }, errorCode) => ({ results: groupsNames.map((groupId) => ({ groupId, errorCode })) }),
})
