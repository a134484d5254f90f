/*
 * The clients that run the scenarios: how each program is called, and where a client differs from what the others do.
 */
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { javaOptions } from '../java.ts'
import { type Ran, run } from '../processes.ts'
import { goProgram, javaProgram, jsFolder, newerNode, pythonPath, rustProgram } from './toolchains.ts'
import { type Difference, type Scenario, scenarios } from './transcript.ts'

/** A client of some language. */
export interface Client {
  readonly name: string
  readonly differences: readonly Difference[]
  /** Gets what its program needs; gives the command that runs it. */
  prepare(jars: string): Promise<readonly string[]>
}

const python = fileURLToPath(new URL('python', import.meta.url))
const noServerSideGroups: Difference = { scenario: 'consumer-group', reason: 'it does not know the newer group protocol' }

/** All of them, the quickest first. */
export const clients: readonly Client[] = [
  {
    name: 'kafkajs',
    differences: [
      noServerSideGroups,
      { scenario: 'records', step: 5, says: { offset: 4 }, reason: 'for a time behind all records it gives the end of the partition' },
    ],
    prepare: async () => [process.execPath, join(await jsFolder(), 'kafkajs.mjs')],
  },
  {
    name: 'kafka-python',
    differences: [noServerSideGroups],
    prepare: async () => [await pythonPath(), join(python, 'kafka_python.py')],
  },
  {
    name: 'confluent-kafka for Python',
    differences: [],
    prepare: async () => [await pythonPath(), join(python, 'confluent.py')],
  },
  {
    name: '@platformatic/kafka',
    differences: [
      {
        scenario: 'records', step: 2, says: { headers: [['trace', '2'], ['empty', '']] },
        reason: 'its headers are a Map, in which a name stands once',
      },
      { scenario: 'consumer-group', step: 4, reason: 'it describes groups of the classic protocol only' },
    ],
    prepare: async () => [await newerNode(), join(await jsFolder(), 'platformatic.mjs')],
  },
  {
    name: 'Java',
    differences: [],
    prepare: async (jars) => ['java', ...javaOptions, '-cp', await javaProgram(jars, 'Scenarios'), 'Scenarios'],
  },
  {
    name: 'franz-go',
    differences: [],
    prepare: async () => [await goProgram('franz')],
  },
  {
    name: 'sarama',
    differences: [noServerSideGroups],
    prepare: async () => [await goProgram('sarama')],
  },
  {
    name: 'segmentio/kafka-go',
    differences: [
      noServerSideGroups,
      { scenario: 'idempotence', reason: 'its producer is not idempotent' },
      { scenario: 'transactions', reason: 'it cannot produce in a transaction' },
      { scenario: 'admin', step: 6, reason: 'it cannot delete records' },
    ],
    prepare: async () => [await goProgram('segmentio')],
  },
  {
    name: 'confluent-kafka-go',
    differences: [],
    prepare: async () => [await goProgram('confluent')],
  },
  {
    name: 'rdkafka for Rust',
    differences: [{ scenario: 'consumer-group', step: 4, reason: 'it describes groups of the classic protocol only' }],
    prepare: async () => [await rustProgram()],
  },
]

/** The scenarios in which a client has a part. */
export function scenariosOf(client: Client): Scenario[] {
  return scenarios.filter((scenario) => !client.differences.some((difference) => difference.scenario === scenario && difference.step === undefined))
}

/** Has a client run all of its scenarios against brokers. */
export function runClient(command: readonly string[], bootstrap: string, client: Client): Promise<Ran> {
  const [program, ...parameters] = command
  return run(program!, [...parameters, bootstrap, ...scenariosOf(client)], { timeoutMs: 240_000, env: { KAFKAJS_NO_PARTITIONER_WARNING: '1' } })
}
