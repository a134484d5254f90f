/*
 * A consumer as stores of Emmett 0.43 have it: Emmett's own, over our events, with processors that keep in the log how far they are.
 */
import { type EmmettCore } from './emmett-package.ts'
import { type EventSource } from './message-source.ts'
import { type EmmettCheckpoints, type EmmettConsumerOptions, type EmmettProcessor } from './types.ts'

/** What a store hands to its consumers. */
export interface ConsumerParts {
  readonly core: EmmettCore
  readonly source: EventSource
  readonly checkpoints: () => Promise<EmmettCheckpoints>
  /** What handlers are given: the store, and what its user has added. */
  readonly context: Readonly<Record<string, unknown>>
  readonly observability: unknown
}

interface ProcessorOptions {
  readonly checkpoints?: unknown
  readonly version?: number
  readonly hooks?: { readonly onInit?: (context: object) => Promise<void> }
}
interface ProjectorOptions extends ProcessorOptions {
  readonly projection: { readonly version?: number; readonly init?: (options: object) => unknown }
}

/** Makes a consumer out of Emmett's own. */
export function messageConsumer(parts: ConsumerParts, options: EmmettConsumerOptions = {}): unknown {
  const { core, source, context } = parts
  const { processors = [], pulling, stopWhen, until } = options
  const inLog = <Options extends ProcessorOptions>(given: Options): Options => ({ ...given, checkpoints: given.checkpoints ?? logCheckpoints(parts) })
  return core.consumer({
    ...options, source, processors: [...processors],
    observability: core.mergeObservability(parts.observability, options.observability),
    batchSize: pulling?.batchSize, batchDeadlineInMs: pulling?.batchDeadlineInMs,
    until: until ?? (stopWhen?.noMessagesLeft === true ? { noMessagesLeft: true } : undefined),
    scope: (handler: (context: object) => Promise<unknown>) => handler(context),
    reactorFactory: (given: ProcessorOptions): EmmettProcessor => core.reactor(inLog(given)),
    projectorFactory: (given: ProjectorOptions): EmmettProcessor => core.projector(inLog(withInit(given))),
    workflowProcessorFactory: (given: ProcessorOptions): EmmettProcessor => core.workflowProcessor(inLog(given)),
  })
}

/** The topic that keeps them is opened when a processor starts. */
function logCheckpoints({ checkpoints }: ConsumerParts): EmmettCheckpoints {
  return {
    read: async (options, context) => (await checkpoints()).read(options, context),
    store: async (options, context) => (await checkpoints()).store(options, context),
  }
}

/** A projection is told to begin before its processor's own hook is. */
function withInit(options: ProjectorOptions): ProjectorOptions {
  const { projection, hooks, version = 1 } = options
  if (projection.init === undefined) return options
  const onInit = async (context: object): Promise<void> => {
    await projection.init!({ version: projection.version ?? version, status: 'active', registrationType: 'async', context })
    await hooks?.onInit?.(context)
  }
  return { ...options, hooks: { ...hooks, onInit } }
}
