/*
 * FindCoordinator (10): which broker to speak to about a group or a transactional id. Spec: Kafka's protocol, FindCoordinatorRequest and
 * FindCoordinatorResponse.
 */
import { type KafkaErrorName, kafkaErrors } from '../../format/kafka-errors.ts'
import { array, type Decoded, type Encodable, int16, int32, int8, message, string } from '../../format/schema.ts'
import { defineApi, type RequestContext } from '../api.ts'

// 1: kinds of keys. 3: flexible. 4: several keys. 6: keys of share groups.
const request = message('FindCoordinatorRequest', { versions: [0, 6], flexible: 3 }, {
  key: string({ until: 3, default: '' }),
  keyType: int8({ since: 1, default: 0 }),
  coordinatorKeys: array(string(), { since: 4, default: [] }),
})

// 1: throttle time, error message. 3: flexible. 4: several keys.
const response = message('FindCoordinatorResponse', { versions: [0, 6], flexible: 3 }, {
  throttleTimeMs: int32({ since: 1, default: 0, ignorable: true }),
  errorCode: int16({ until: 3, default: 0 }),
  errorMessage: string({ since: 1, until: 3, nullable: 1, default: '', ignorable: true }),
  nodeId: int32({ until: 3, default: 0 }),
  host: string({ until: 3, default: '' }),
  port: int32({ until: 3, default: 0 }),
  coordinators: array({
    key: string(),
    nodeId: int32(),
    host: string(),
    port: int32(),
    errorCode: int16(),
    errorMessage: string({ nullable: 4, default: '', ignorable: true }),
  }, { since: 4, default: [] }),
})

type Request = Decoded<typeof request>

const GROUP = 0
const TRANSACTION = 1
const SHARE = 2

/** What one key is answered: an error has no broker. */
interface Found {
  readonly errorCode: number
  readonly nodeId: number
  readonly host: string
  readonly port: number
}

/** FindCoordinator. */
export const findCoordinator = defineApi({
  key: 10,
  name: 'FindCoordinator',
  request,
  response,
  handle: (asked, context) => answered(asked, context, (key) => found(asked.keyType, key, context)),
  refuse: (asked, errorCode, context) => answered(asked, context, () => ({ errorCode, nodeId: -1, host: '', port: -1 })),
})

function answered({ key, keyType, coordinatorKeys }: Request, { version }: RequestContext, find: (key: string) => Found): Encodable<typeof response> {
  // A type that there is not fails all that is asked; anything else is said for each key, by its number.
  const errorMessage = keyType > SHARE || keyType < 0 ? messages.get(kafkaErrors.INVALID_REQUEST)! : ''
  if (version >= 4) return { coordinators: coordinatorKeys.map((one) => ({ key: one, ...find(one), errorMessage })) }
  const answer = find(key)
  return { ...answer, errorMessage: answer.errorCode === kafkaErrors.NONE ? 'NONE' : messages.get(answer.errorCode) ?? '' }
}

function found(keyType: number, key: string, { cluster, connection }: RequestContext): Found {
  const kind = keyType === GROUP ? 'group' : keyType === TRANSACTION ? 'transaction' : undefined
  if (kind === undefined) return none('INVALID_REQUEST')
  const type = kind === 'group' ? 'GROUP' : 'TRANSACTIONAL_ID'
  if (!cluster.authorizer.allows(connection, 'DESCRIBE', type, key)) return none(`${type}_AUTHORIZATION_FAILED`)
  const { nodeId, addresses } = cluster.coordinator(kind, key)
  const { host, port } = addresses.get(connection.listener)!
  return { errorCode: kafkaErrors.NONE, nodeId, host, port }
}

function none(error: KafkaErrorName): Found {
  return { errorCode: kafkaErrors[error], nodeId: -1, host: '', port: -1 }
}

/** As Kafka says it. */
const messages: ReadonlyMap<number, string> = new Map([
  [kafkaErrors.GROUP_AUTHORIZATION_FAILED, 'Group authorization failed.'],
  [kafkaErrors.TRANSACTIONAL_ID_AUTHORIZATION_FAILED, 'Transactional Id authorization failed.'],
  [kafkaErrors.INVALID_REQUEST, 'This most likely occurs because of a request being malformed by the client library or the message was sent to ' +
    'an incompatible broker. See the broker logs for more details.'],
])
