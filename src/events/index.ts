/*
 * The door `commitlog/events`: streams of events with expected versions, on the log.
 */
export {
  type Archived, type ArchivedFile, type ArchiveFileOptions, type ArchiveOptions, type ArchiveProgress, archiveStreams, archiveToFile,
  type ChosenStreams,
} from './archive.ts'
export { defineEvents } from './define-events.ts'
export { eventStore, type LocalEventStore, type StoreOptions } from './event-store.ts'
export type { Follower, FollowerProgress, RetryOptions } from './follower.ts'
export { deleteStream, freeForgotten, type FreedReport, listStreams, type StreamInfo, truncateStream } from './forgetting.ts'
export { type Forgotten, forgottenSubject, isForgotten } from './forgotten.ts'
export { currentOrigin, originOf, withOrigin } from './origin.ts'
export { projectInto, type ProjectIntoOptions } from './project-into.ts'
export {
  defineProjection, type Projection, type ProjectionDefinition, type ProjectionHandlers, type ProjectionProgress, type RowChange,
} from './projection-types.ts'
export { type AnyProjection, dropProjection, project, type ProjectionsOf } from './projections.ts'
export { type DeadEvent, react, type Reactor, type ReactorContext, type ReactorOptions } from './reactor.ts'
export { shredded, type ShreddedOptions } from './shredding.ts'
export { type KeyStore, logKeys, memoryKeys, type SubjectKey, type SubjectKeys } from './subject-keys.ts'
export { exportEvents, type ExportOptions, importEvents, type ImportOptions, type ImportProgress } from './transfer.ts'
export type {
  Aggregate, AggregateOptions, AllEvents, AllOptions, AppendOptions, AppendResult, Cast, EventMetadata, EventsDefinition, EventShape,
  EventsOptions, EventStore, Expected, Handled, HandleOptions, Loaded, NewEvent, Origin, RecordedEvent, RecordedFields, StreamAppend,
  StreamRange, StreamSlice, TypeVersions,
} from './types.ts'
