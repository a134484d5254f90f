/*
 * What befalls a real cluster of three: nodes are killed and started again, copies move to other nodes, leaders change.
 */
import { type Random } from '../../../src/base/random.ts'
import { chaosTopics, type ChaosLoad } from '../../cluster/chaos-load.ts'
import { HANDLER_GROUP } from '../../cluster/chaos-groups.ts'
import { PIPELINE_GROUP } from '../../cluster/chaos-pipeline.ts'
import { type KafkaAdmin, type Placed } from './kafka-admin.ts'
import { type KafkaNodes } from './kafka-nodes.ts'

/** What a blow needs. */
export interface Struck {
  readonly nodes: KafkaNodes
  readonly admin: KafkaAdmin
  readonly load: ChaosLoad
  readonly random: Random
}

/** A blow; when it is over all nodes run. */
export interface Blow {
  readonly name: string
  readonly strike: (struck: Struck) => Promise<void>
}

/** How much every part gets done while a node is missing. */
const MEANWHILE = 20

/** All of them. */
export const blows: readonly Blow[] = [
  { name: 'a node is killed', strike: killing(async ({ random, nodes }) => 1 + random.int(nodes.count)) },
  { name: 'the controller is killed', strike: killing(({ admin }) => admin.controller()) },
  { name: 'the coordinator of a group is killed', strike: killing(({ admin }) => admin.coordinator('group', HANDLER_GROUP)) },
  { name: 'the coordinator of offsets in transactions is killed', strike: killing(({ admin }) => admin.coordinator('group', PIPELINE_GROUP)) },
  { name: 'the coordinator of transactions is killed', strike: killing(({ admin }) => admin.coordinator('transaction', 'chaos-worker')) },
  { name: 'a leader is killed', strike: killing(async ({ admin }) => (await ours(admin))[0]!.leader) },
  { name: 'two nodes are killed', strike: twoAreKilled },
  { name: 'copies move', strike: copiesMove },
  { name: 'copies go and come again', strike: copiesGo },
]

/** Kills a node; with the two that are left everything gets on. Then it comes again. */
function killing(choose: (struck: Struck) => Promise<number>): Blow['strike'] {
  return async (struck) => {
    const { nodes, load } = struck
    const node = await choose(struck)
    await nodes.stopNode(node, 'SIGKILL')
    await load.getsOn(MEANWHILE)
    nodes.startNode(node)
  }
}

/** Nothing is acknowledged with one copy. */
async function twoAreKilled({ nodes, load, random }: Struck): Promise<void> {
  const left = 1 + random.int(nodes.count)
  const killed = Array.from({ length: nodes.count }, (_, index) => index + 1).filter((node) => node !== left)
  await Promise.all(killed.map((node) => nodes.stopNode(node, 'SIGKILL')))
  await load.feelsOutage()
  for (const node of killed) nodes.startNode(node)
}

/** The same copies in another order, and then those that are preferred lead. */
async function copiesMove({ admin, load, random }: Struck): Promise<void> {
  await admin.reassign((await ours(admin)).map((placed) => ({ ...placed, replicas: shuffled(placed.replicas, random) })))
  await admin.electPreferred()
  await load.getsOn(MEANWHILE)
}

/** Every partition gives up one of its copies, and gets it again from the others. */
async function copiesGo({ admin, load, random }: Struck): Promise<void> {
  const before = await ours(admin)
  await admin.reassign(before.map((placed) => ({ ...placed, replicas: shuffled(placed.replicas, random).slice(1) })))
  await load.getsOn(MEANWHILE)
  await admin.reassign(before)
  await load.getsOn(MEANWHILE)
}

async function ours(admin: KafkaAdmin): Promise<Placed[]> {
  const names: readonly string[] = [chaosTopics.sent, chaosTopics.piped, chaosTopics.mirrored]
  return (await admin.partitions()).filter(({ topic }) => names.includes(topic))
}

/** In an order that is drawn. */
export function shuffled<T>(list: readonly T[], random: Random): T[] {
  return list.map((one) => ({ one, at: random.next() })).sort((a, b) => a.at - b.at).map(({ one }) => one)
}
