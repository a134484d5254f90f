/*
 * The door `commitlog/events`: streams of events with expected versions, on the log.
 */
export { defineEvents } from './define-events.ts'
export { eventStore, type LocalEventStore, type StoreOptions } from './event-store.ts'
export { currentOrigin, originOf, withOrigin } from './origin.ts'
export type {
  Aggregate, AggregateOptions, AllEvents, AllOptions, AppendOptions, AppendResult, Cast, EventMetadata, EventsDefinition, EventShape,
  EventsOptions, EventStore, Expected, Handled, HandleOptions, Loaded, NewEvent, Origin, RecordedEvent, RecordedFields, StreamAppend,
  StreamRange, StreamSlice, TypeVersions,
} from './types.ts'
