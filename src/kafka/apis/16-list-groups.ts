/*
 * ListGroups (16): the groups that a broker coordinates. Spec: Kafka's protocol, ListGroupsRequest and ListGroupsResponse.
 */
import { kafkaErrors } from '../../format/kafka-errors.ts'
import { array, int16, int32, message, string } from '../../format/schema.ts'
import { defineApi } from '../api.ts'
import { coordinates } from '../coordination.ts'
import { CLUSTER_RESOURCE } from '../security/authorizer.ts'

/** ListGroups. */
export const listGroups = defineApi({
  key: 16,
  name: 'ListGroups',
  // 3: flexible. 4: only those in some states. 5: only those of some types.
  request: message('ListGroupsRequest', { versions: [0, 5], flexible: 3 }, {
    statesFilter: array(string(), { since: 4, default: [] }),
    typesFilter: array(string(), { since: 5, default: [] }),
  }),
  // 1: throttle time. 3: flexible. 4: state. 5: type.
  response: message('ListGroupsResponse', { versions: [0, 5], flexible: 3 }, {
    throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ since: 4, default: '', ignorable: true }),
      groupType: string({ since: 5, default: '', ignorable: true }),
    }),
  }),
  async handle({ statesFilter, typesFilter }, context) {
    const { cluster, connection } = context
    const groups = await cluster.groups()
    const states = new Set(statesFilter.map((state) => state.trim().toLowerCase()))
    const types = new Set(typesFilter.map((type) => type.trim().toLowerCase()))
    const seesAll = cluster.discreet.allows(connection, 'DESCRIBE', 'CLUSTER', CLUSTER_RESOURCE)
    const listed = groups.list()
      .filter(({ groupId }) => coordinates(context, 'group', groupId))
      .filter(({ state, type }) => (states.size === 0 || states.has(state.toLowerCase())) && (types.size === 0 || types.has(type)))
      .filter(({ groupId }) => seesAll || cluster.discreet.allows(connection, 'DESCRIBE', 'GROUP', groupId))
    return {
      errorCode: kafkaErrors.NONE,
      groups: listed.map(({ groupId, protocolType, state, type }) => ({ groupId, protocolType, groupState: state, groupType: type })),
    }
  },
  refuse: (_request, errorCode) => ({ errorCode, groups: [] }),
})
