/*
 * What tests of the test broker begin with: one that is closed after the test, and clients of the wire.
 */
import { connect } from 'node:net'
import { onTestFinished } from 'vitest'
import { produce } from '../../../src/kafka/apis/00-produce.ts'
import { fetch } from '../../../src/kafka/apis/01-fetch.ts'
import { encodeBatch } from '../../../src/format/batch.ts'
import { startTestBroker, type TestBroker, type TestBrokerOptions } from '../../../src/testing/index.ts'
import { RawClient } from '../../kafka/harness.ts'

/** A broker that is closed with the test; faults that never happened are the test's own matter then. */
export async function startBroker(options: TestBrokerOptions = {}): Promise<TestBroker> {
  const kafka = await startTestBroker(options)
  onTestFinished(() => kafka.close().catch(() => {}))
  return kafka
}

/** A client of the wire. */
export async function client(kafka: TestBroker, broker = 0): Promise<RawClient> {
  return RawClient.connect(kafka.brokers[broker]!.port)
}

/** Whether a port takes connections. */
export function isOpen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    }).once('error', () => resolve(false))
  })
}

/** Produces one record and gives what was answered for its partition. */
export async function produceOne(
  raw: RawClient, topic: string, partition: number, value: string,
): Promise<{ errorCode: number; baseOffset: number }> {
  const records = encodeBatch([{ value: Buffer.from(value) }])
  const { responses } = await raw.request(produce, 9, {
    acks: -1, timeoutMs: 1000, topicData: [{ name: topic, partitionData: [{ index: partition, records }] }],
  })
  return responses[0]!.partitionResponses[0]!
}

/** Fetches a partition, and gives the answer for it. */
export async function fetchOne(
  raw: RawClient, topic: string, { from = 0, maxWaitMs = 0 } = {},
): Promise<{ errorCode: number; records: Buffer | null }> {
  const { responses } = await raw.request(fetch, 12, {
    maxWaitMs, minBytes: 1, maxBytes: 1_000_000, sessionId: 0, sessionEpoch: -1,
    topics: [{ topic, partitions: [{ partition: 0, fetchOffset: from, partitionMaxBytes: 1_000_000 }] }],
  })
  return responses[0]!.partitions[0]!
}
