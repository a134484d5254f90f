/*
 * The door `commitlog/emmett`: an event store for Emmett, whose package is needed by who uses it and not by this.
 */
export { emmettEventStore, type EmmettStoreOptions, EmmettVersionConflict } from './emmett-store.ts'
export type {
  EmmettAppendOptions, EmmettCheckpoints, EmmettConsumer, EmmettEvent, EmmettEventStore, EmmettExpected, EmmettMetadata, EmmettProcessor,
  EmmettProjection, EmmettReadOptions, EmmettRecorded, OwnMetadata, WithMetadata,
} from './types.ts'
