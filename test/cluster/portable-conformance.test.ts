import { test } from 'vitest'
import { connect } from '../../src/cluster/connect.ts'
import { listen } from '../../src/kafka/listen.ts'
import { type LogUnderTest } from '../../src/testing/portable-conformance/log-under-test.ts'
import { portableConformance } from '../../src/testing/portable-conformance/portable-conformance.ts'
import { afterwards, memoryLog } from '../topics/harness.ts'

/** A cluster of our own: the listener over a log in memory, and a connection to it. */
async function open(): Promise<LogUnderTest> {
  const log = await memoryLog()
  const listener = await listen(log)
  afterwards(() => listener.close())
  const another = () => connect({ brokers: listener.bootstrap })
  const cluster = await another()
  return { log: cluster, another, close: () => cluster.close() }
}

portableConformance({ test: (name, run) => test(`through the cluster door: ${name}`, run), open })
