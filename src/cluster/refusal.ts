/*
 * Why brokers take nothing from who connects, where they do not say it: one that wants to know who asks closes the connection on a question, and
 * one that speaks no TLS on a handshake, as one does that is just being stopped. What they all answer, ApiVersions, tells which it is.
 */
import { LogError } from '../base/errors.ts'
import { isRefusedHandshake, wasClosed } from './client.ts'
import { type Call } from './call.ts'
import { type Cluster, type Line } from './cluster.ts'
import { isPassing } from './errors.ts'
import { type BrokerAddress } from './options.ts'

/** What `security` lacks, or has and should not, when that is why a first question failed with `error`; undefined otherwise. */
export async function refusalOf(cluster: Cluster, call: Call, error: unknown): Promise<LogError | undefined> {
  if (!isPassing(error)) return undefined
  const { brokers, security } = cluster.options
  const { tls = false, sasl } = security
  if (tls !== false && isRefusedHandshake(error.cause) && (await answersPlainly(cluster, call, brokers))) {
    return new LogError('LOG_AUTHENTICATION_FAILED', 'the brokers do not speak TLS at this port: `security.tls` is given', { brokers }, error)
  }
  if (sasl === undefined && wasClosed(error.cause) && (await closesOnQuestions(cluster, call, brokers))) {
    const message = 'the brokers close the connection on whoever does not say who he is: `security.sasl` is missing'
    return new LogError('LOG_AUTHENTICATION_FAILED', message, { brokers }, error)
  }
  return undefined
}

/** Nothing that is secret is asked, or told. */
async function answersPlainly(cluster: Cluster, call: Call, brokers: readonly BrokerAddress[]): Promise<boolean> {
  const line = cluster.line(cluster.options.requestTimeoutMs, {})
  try {
    for (const broker of brokers) if (await answers(cluster, line, call, broker)) return true
    return false
  } finally {
    await line.close()
  }
}

async function closesOnQuestions(cluster: Cluster, call: Call, brokers: readonly BrokerAddress[]): Promise<boolean> {
  const { metadataV10 } = cluster.client
  for (const broker of brokers) {
    if (!(await answers(cluster, cluster.main, call, broker))) continue
    const closed = await cluster.main.ask(call, broker, metadataV10.api, [], false, false).then(() => false, (error: Error) => wasClosed(error.cause))
    // One that is being stopped would be gone by now.
    return closed && answers(cluster, cluster.main, call, broker)
  }
  return false
}

async function answers({ client }: Cluster, line: Line, call: Call, broker: BrokerAddress): Promise<boolean> {
  return line.ask(call, broker, client.apiVersionsV3.api, 'commitlog', '1').then(() => true, () => false)
}
