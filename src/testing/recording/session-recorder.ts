/*
 * Records at a test broker: every request as it came, and its answer as the broker gave it, before a fault changed its bytes.
 */
import { type Clock } from '../../base/clock.ts'
import { type AnswerBytes, type Exchange, type Interceptor } from '../../kafka/exchange.ts'
import { type RecordOptions, Recorder } from './recorder.ts'
import { type Recording } from './recording.ts'

const LENGTH_BYTES = 4

/** What a recorder needs of its broker. */
export interface RecordedBroker {
  readonly clock: Clock
  readonly seed: number
  readonly nodeIds: readonly number[]
  intercept(interceptor: Interceptor): () => void
}

/** A recording under way. */
export class SessionRecorder {
  readonly #recorder: Recorder
  readonly #broker: RecordedBroker
  readonly #end: () => void

  /** @internal */
  constructor(broker: RecordedBroker, options: RecordOptions) {
    this.#broker = broker
    this.#recorder = new Recorder(broker.clock, options)
    const placeOf = ({ context }: Exchange): number => Math.max(0, broker.nodeIds.indexOf(context.broker.nodeId))
    this.#end = broker.intercept({
      before: (exchange) => this.#recorder.request(exchange.context.connection.id, placeOf(exchange), exchange.frame),
      encoded: (exchange, bytes): AnswerBytes => {
        if (bytes !== undefined) this.#recorder.answer(exchange.context.connection.id, placeOf(exchange), Buffer.concat(bytes).subarray(LENGTH_BYTES))
        return bytes
      },
    })
  }

  /** Records no more, and gives the session. */
  stop(): Recording {
    this.#end()
    const { seed, nodeIds } = this.#broker
    return this.#recorder.recording({ brokers: nodeIds, seed, at: 'test broker' })
  }
}
