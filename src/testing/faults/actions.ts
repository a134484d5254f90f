/*
 * The words for what a fault does.
 */
import { type KafkaErrorName } from '../../format/kafka-errors.ts'
import { type Duration } from '../clock/durations.ts'
import { type Decoding } from '../journal/entry.ts'
import { type Corruption, faultMs, type FaultAction, type FaultMoment } from './spec.ts'

/** When in the life of a request. Default `before-apply`: as if the request had never come. */
export interface WhenOptions {
  readonly when?: FaultMoment
}

/** What a fault does: each word asks for it. */
export class FaultActions<Made> {
  readonly #make: (action: FaultAction) => Made

  /** @internal */
  constructor(make: (action: FaultAction) => Made) {
    this.#make = make
  }

  /** An error by Kafka's name: for all of the request, or for the topic and partition that the fault is about. */
  error(error: KafkaErrorName, { when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'error', error, when })
  }

  /** Time of the broker passes before the request is handled, or before its answer is sent. */
  delay(duration: Duration, { when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'delay', ms: faultMs(duration), when })
  }

  /** The answer says that the client has to wait, as one that a quota slows down. */
  throttle(duration: Duration): Made {
    return this.#make({ type: 'throttle', ms: faultMs(duration) })
  }

  /** The connection is closed. After it was applied: the client cannot know whether it was. */
  dropConnection({ when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'close', when })
  }

  /** The connection ends with a TCP reset. */
  resetConnection({ when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'reset', when })
  }

  /** The broker sends no more, and goes on reading. */
  halfClose({ when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'half-close', when })
  }

  /** No answer, on a connection that stays open; `cancel` of the fault lets what waits go on. */
  silence({ when = 'before-apply' }: WhenOptions = {}): Made {
    return this.#make({ type: 'silence', when })
  }

  /** Something of the answer is wrong. Default: a byte of its body, drawn from the seed. */
  corrupt(what: Corruption = 'bytes'): Made {
    return this.#make({ type: 'corrupt', what })
  }

  /** The first bytes of the answer are sent, and then the connection ends. */
  truncate(bytes: number): Made {
    return this.#make({ type: 'truncate', bytes })
  }

  /** The answer comes in pieces of so many bytes. */
  split(bytes = 1): Made {
    return this.#make({ type: 'split', bytes })
  }

  /** The answer comes twice. */
  duplicate(): Made {
    return this.#make({ type: 'duplicate' })
  }

  /** Metadata as it was when the fault was asked for: leaders that lead no more. For `Metadata`. */
  staleMetadata(): Made {
    return this.#make({ type: 'stale-metadata' })
  }

  /** Leader epochs in the answer are off by so many. */
  shiftEpochs(by: number): Made {
    return this.#make({ type: 'shift-epoch', by })
  }

  /** The answer is what `change` makes of it: fields as in Kafka's protocol, in camelCase. */
  answer(change: (response: Decoding, request: Decoding) => Decoding): Made {
    return this.#make({ type: 'answer', change })
  }
}
