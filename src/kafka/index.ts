/*
 * The door `commitlog/kafka`: opens a log to any Kafka client over its wire protocol.
 */
export type { ListenerEvent, ListenerEvents } from './events.ts'
export { type BrokerInfo, KafkaListener, listen } from './listen.ts'
export type { ListenOptions } from './options.ts'
