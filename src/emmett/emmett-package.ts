/*
 * Emmett's own package, which who uses this has installed: found at run time, and never needed to build. Only this file imports it. What is
 * used of it is declared here by its shape; 0.43 is known by what it exports and 0.42 does not.
 */
import { type EmmettProcessor } from './types.ts'

/** Emmett's package, as much of it as a store uses: `import * as emmett from '@event-driven-io/emmett'` fits. */
export interface EmmettPackage {
  readonly ExpectedVersionConflictError?: new (current: bigint, expected: never) => Error
}

/** What 0.43 has beyond: its consumers, processors, serializer and observability are used as they are. */
export interface EmmettPackage43 extends EmmettPackage {
  readonly bigIntProcessorCheckpoint: (value: bigint) => string
  readonly MessageSourceCaughtUp: (checkpoint: never) => unknown
  readonly consumer: (setup: never) => unknown
  readonly reactor: (options: never) => unknown
  readonly projector: (options: never) => unknown
  readonly workflowProcessor: (options: never) => unknown
  readonly JSONSerializer: { readonly from: (options?: never) => unknown }
  readonly eventStoreObservability: (options: never) => unknown
  readonly eventStoreCollector: (observability: never) => unknown
  readonly mergeObservability: (parent: never, own: never) => unknown
  readonly withOperationScope: (scope: never, options: never) => unknown
}

/** A version of Emmett that differs for a store. */
export type EmmettShape = '0.42' | '0.43'
/** All of them. */
export const emmettShapes: readonly EmmettShape[] = ['0.42', '0.43']

/** The installed package; undefined when there is none, or when it cannot be loaded, which who imports it sees himself. */
export async function installedEmmett(): Promise<EmmettPackage | undefined> {
  try {
    // Told to be any text, since its types are not there when this is built.
    return await import('@event-driven-io/emmett' as string) as EmmettPackage
  } catch {
    return undefined
  }
}

/** Which version a package is. */
export function shapeOf(emmett: EmmettPackage | undefined): EmmettShape {
  return isPackage43(emmett) ? '0.43' : '0.42'
}

/** Whether a package is of 0.43 or later. */
export function isPackage43(emmett: EmmettPackage | undefined): emmett is EmmettPackage43 {
  return typeof (emmett as Partial<EmmettPackage43> | undefined)?.bigIntProcessorCheckpoint === 'function'
}

/** 0.43's functions with the types that they are called by here. */
export interface EmmettCore {
  readonly MessageSourceCaughtUp: (checkpoint: string) => unknown
  readonly consumer: (setup: object) => unknown
  readonly reactor: (options: object) => EmmettProcessor
  readonly projector: (options: object) => EmmettProcessor
  readonly workflowProcessor: (options: object) => EmmettProcessor
  readonly JSONSerializer: { from(options: object): { serialize(value: unknown): string; deserialize(text: string): unknown } }
  readonly eventStoreObservability: (options: object) => { readonly contextGenerator: { generateMessageId(): string } }
  readonly eventStoreCollector: (observability: unknown) => Collector
  readonly mergeObservability: (parent: unknown, own: unknown) => unknown
  readonly withOperationScope: (scope: Scope, options: unknown) => unknown
}

/** What goes on around an operation: 0.43 hands it to processors and projections, and makes the ids that connect messages. */
export interface Scope {
  readonly context: Readonly<Record<string, unknown>>
}

/** What runs the operations of a store: in spans, with counters and logs. */
interface Collector {
  instrumentRead<T>(stream: string, run: (scope: Scope) => Promise<T>, options?: unknown): Promise<T>
  instrumentAggregate<T>(stream: string, run: (scope: Scope) => Promise<T>, options?: unknown): Promise<T>
  instrumentAppend<T>(stream: string, events: readonly unknown[], run: (scope: Scope) => Promise<T>, options?: unknown): Promise<T>
  instrumentInlineProjection<T>(stream: string, scope: Scope, run: (scope: Scope) => Promise<T>): Promise<T>
}

/** What watches a store: 0.43's own collector, or nothing. */
export interface Instruments extends Collector {
  /** The id of an event; undefined leaves it to the store. */
  newId(): string | undefined
  /** The options of an operation that is a part of another. */
  within(scope: Scope, options: unknown): unknown
}

/** What 0.43 has of these. */
export function coreOf(emmett: EmmettPackage43): EmmettCore {
  return emmett as unknown as EmmettCore
}

const nowhere: Scope = { context: {} }

const unwatched: Instruments = {
  instrumentRead: (_, run) => run(nowhere),
  instrumentAggregate: (_, run) => run(nowhere),
  instrumentAppend: (_, _events, run) => run(nowhere),
  instrumentInlineProjection: (_, scope, run) => run(scope),
  newId: () => undefined,
  within: () => undefined,
}

/** What watches a store, by its options of observability. */
export function instrumentsOf(emmett: EmmettPackage | undefined, observability: unknown): Instruments {
  if (!isPackage43(emmett)) return unwatched
  const core = coreOf(emmett)
  const resolved = core.eventStoreObservability({ observability })
  return {
    ...core.eventStoreCollector(resolved),
    newId: () => resolved.contextGenerator.generateMessageId(),
    within: (scope, options) => core.withOperationScope(scope, options),
  }
}
