/*
 * A service of NestJS with its Kafka transport: it reads orders and emits invoices.
 */
import 'reflect-metadata'
import { Controller, Inject, Module } from '@nestjs/common'
import { NestFactory } from '@nestjs/core'
import { ClientKafka, ClientsModule, EventPattern, type KafkaOptions, Payload, Transport } from '@nestjs/microservices'
import { lastValueFrom } from 'rxjs'

interface Order {
  readonly id: string
  readonly total: number
}

const client = { clientId: 'billing', brokers: process.env['KAFKA_BROKERS']!.split(','), retry: { initialRetryTime: 50 } }
const kafka: KafkaOptions = {
  transport: Transport.KAFKA,
  // The transport adds a suffix to client ids and groups, which this leaves out.
  options: { client, postfixId: '', consumer: { groupId: 'billing', maxWaitTimeInMs: 100 }, subscribe: { fromBeginning: true } },
}

@Controller()
class Billing {
  constructor(@Inject('INVOICES') private readonly invoices: ClientKafka) {}

  @EventPattern('orders')
  async invoice(@Payload() { id, total }: Order): Promise<void> {
    await lastValueFrom(this.invoices.emit('invoices', { key: id, value: { id, due: total * 1.2 } }))
  }
}

@Module({
  imports: [ClientsModule.register([{ name: 'INVOICES', transport: Transport.KAFKA, options: { client, producerOnlyMode: true } }])],
  controllers: [Billing],
})
class App {}

const app = await NestFactory.createMicroservice(App, { ...kafka, logger: ['error'] })
app.enableShutdownHooks()
await app.listen()
