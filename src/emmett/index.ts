/*
 * The door `commitlog/emmett`: an event store for Emmett, whose package is needed by who uses it and not by this.
 */
export { emmettEventStore, type EmmettStoreOptions, EmmettVersionConflict } from './emmett-store.ts'
export type { EmmettPackage, EmmettShape } from './emmett-package.ts'
export type {
  EmmettAppendOptions, EmmettCheckpoint, EmmettCheckpoints, EmmettConsumer, EmmettConsumerOptions, EmmettConsumers, EmmettEvent, EmmettEventStore,
  EmmettExpected, EmmettFactory, EmmettMessageConsumer, EmmettMetadata, EmmettOwnConsumer, EmmettPosition, EmmettProcessor, EmmettProjection,
  EmmettReadOptions, EmmettRecorded, EmmettWaitOptions, OwnMetadata, WithMetadata,
} from './types.ts'
