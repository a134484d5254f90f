/*
 * The door `commitlog/kafka`: opens a log to any Kafka client over its wire protocol.
 */
export type { ListenerEvent, ListenerEvents } from './events.ts'
export { type BrokerInfo, KafkaListener, listen } from './listen.ts'
export type { ListenOptions } from './options.ts'
export type { Peer, Principal } from './peer.ts'
export type { Acl, AclInput, PatternType } from './security/acls.ts'
export type { AclOptions } from './security/authorizer-options.ts'
export type { Authorizer, Operation, ResourceType } from './security/authorizer.ts'
export type { ListenerOptions, NamedListenerOptions } from './security/listener-options.ts'
export type { OAuthIdentity, OAuthRefusal, OAuthValidator } from './security/oauthbearer.ts'
export type { SaslMechanism } from './security/sasl-mechanism.ts'
export type { SaslOptions } from './security/sasl-options.ts'
export type { TlsOptions } from './security/tls-options.ts'
export { type UnsecuredTokenOptions, unsecuredTokens } from './security/unsecured-tokens.ts'
