/*
 * A client that behaves well, beside hostile ones: each time that it is asked to it connects, says who it is, stores a record and reads it.
 */
import { type Duplex, duplexPair } from 'node:stream'
import { ByteReader, getInt32 } from '../../src/base/bytes.ts'
import { encodeBatch } from '../../src/format/batch.ts'
import { type Fields } from '../../src/format/field.ts'
import { type Decoded, type Message } from '../../src/format/schema.ts'
import { type AnyApi } from '../../src/kafka/api.ts'
import { fetch } from '../../src/kafka/apis/01-fetch.ts'
import { produce } from '../../src/kafka/apis/00-produce.ts'
import { saslHandshake } from '../../src/kafka/apis/17-sasl-handshake.ts'
import { saslAuthenticate } from '../../src/kafka/apis/36-sasl-authenticate.ts'
import { responseHeader } from '../../src/kafka/headers.ts'
import { type KafkaListener } from '../../src/kafka/index.ts'
import { request } from './hostile-frames.ts'
import { plainToken } from './sasl-client.ts'

const TOPIC = 'neighbour'
/** Requests without optional fields. */
const HANDSHAKE = 1
const AUTHENTICATE = 1
const PRODUCE = 7
const FETCH = 4

/** What it asks of the topic that it alone knows. */
export class Neighbour {
  readonly #kafka: KafkaListener
  readonly #password: string | undefined
  #offset = 0

  /** @param password  of the user `neighbour`, where the listener asks for it */
  constructor(kafka: KafkaListener, password: string | undefined) {
    this.#kafka = kafka
    this.#password = password
  }

  /** Stores a record and reads it; gives what is wrong with the answers. */
  async ask(timestamp: number): Promise<string | undefined> {
    const [theirs, ours] = duplexPair()
    const { cluster } = this.#kafka
    this.#kafka.serve(ours, cluster.brokers.indexOf(cluster.leader(cluster.topic(TOPIC)!, 0)))
    try {
      return await this.#work(new Conversation(theirs), timestamp)
    } finally {
      theirs.destroy()
      ours.destroy()
    }
  }

  async #work(broker: Conversation, timestamp: number): Promise<string | undefined> {
    if (this.#password !== undefined) {
      await broker.ask(saslHandshake, HANDSHAKE, { mechanism: 'PLAIN' })
      await broker.ask(saslAuthenticate, AUTHENTICATE, { authBytes: plainToken(TOPIC, this.#password) })
    }
    const offset = this.#offset++
    const records = encodeBatch([{ timestamp, value: Buffer.from(`record ${offset}`) }])
    const asked = { transactionalId: null, acks: -1, timeoutMs: 1000, topicData: [{ name: TOPIC, partitionData: [{ index: 0, records }] }] }
    const { responses: [stored] } = await broker.ask(produce, PRODUCE, asked)
    const { errorCode, baseOffset } = stored!.partitionResponses[0]!
    if (errorCode !== 0 || baseOffset !== offset) return `record ${offset} of the neighbour was stored with error ${errorCode} at ${baseOffset}`
    const partition = { partition: 0, fetchOffset: offset, partitionMaxBytes: 1 << 20 }
    const { responses: [read] } = await broker.ask(fetch, FETCH, {
      replicaId: -1, maxWaitMs: 0, minBytes: 0, maxBytes: 1 << 20, isolationLevel: 0, topics: [{ topic: TOPIC, partitions: [partition] }],
    })
    const { errorCode: error, records: bytes } = read!.partitions[0]!
    if (error !== 0 || !Buffer.from(bytes ?? []).includes(`record ${offset}`)) return `record ${offset} of the neighbour was read with error ${error}`
    return undefined
  }
}

/** Requests and answers of one connection, one at a time. */
class Conversation {
  readonly #stream: Duplex
  #received: Buffer = Buffer.alloc(0)
  #next: (() => void) | undefined
  #gone = false

  constructor(stream: Duplex) {
    this.#stream = stream
    const gone = (): void => {
      this.#gone = true
      this.#next?.()
    }
    stream.on('error', gone).on('end', gone).on('close', gone)
    stream.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk])
      this.#next?.()
    })
  }

  async ask<Res extends Fields>(api: AnyApi & { readonly response: Message<Res> }, version: number, value: Record<string, unknown>): Promise<
    Decoded<Message<Res>>
  > {
    this.#stream.write(request(api, version, value))
    while (this.#received.length < 4 || this.#received.length < 4 + getInt32(this.#received, 0)) {
      if (this.#gone) throw new Error(`the neighbour was thrown out when it asked for ${api.name}`)
      await new Promise<void>((resolve) => { this.#next = resolve })
    }
    const end = 4 + getInt32(this.#received, 0)
    const reader = new ByteReader(this.#received, 4, end, 'LOG_PROTOCOL_ERROR', `the answer to ${api.name}`)
    this.#received = this.#received.subarray(end)
    responseHeader.at(0).decode(reader)
    return api.response.at(version).decode(reader)
  }
}
