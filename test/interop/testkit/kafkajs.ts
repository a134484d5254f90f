/*
 * kafkajs for tests of the test broker, in their own process: as installed for the clients of the listener.
 */
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { jsFolder } from '../clients/toolchains.ts'

/** A message as kafkajs hands it over. */
export interface Handed {
  readonly topic: string
  readonly partition: number
  readonly message: { readonly key: Buffer | null; readonly value: Buffer | null; readonly offset: string }
}

/** As much of kafkajs as these tests use. */
export interface KafkaJs {
  readonly Kafka: new (options: object) => {
    admin(): { connect(): Promise<void>; disconnect(): Promise<void>; createTopics(options: object): Promise<boolean> }
    producer(options?: object): {
      connect(): Promise<void>
      disconnect(): Promise<void>
      send(record: object): Promise<readonly { readonly partition: number; readonly baseOffset: string }[]>
    }
    consumer(options: object): {
      connect(): Promise<void>
      disconnect(): Promise<void>
      subscribe(options: object): Promise<void>
      run(options: { readonly eachMessage: (handed: Handed) => Promise<void> }): Promise<void>
    }
  }
  readonly logLevel: { readonly NOTHING: number; readonly ERROR: number }
}

/** Loads kafkajs. */
export async function kafkaJs(): Promise<KafkaJs> {
  return createRequire(join(await jsFolder(), 'package.json'))('kafkajs') as KafkaJs
}
