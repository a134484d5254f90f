/*
 * Configs that clients set, as they wrote them: by resource, in the file of the cluster.
 */
import { type Json } from '../../format/cluster-settings.ts'
import { type ConsumerGroupSettings } from '../../topics/groups/consumer-group.ts'
import { type ClusterFile, type KeptSection } from '../cluster-file.ts'

/** A section that keeps configs. */
export type ConfigSection = Extract<KeptSection, `${string}-configs`>

/** Configs by Kafka's names, as text. */
export type Configs = ReadonlyMap<string, string>

const NONE: Configs = new Map()
/** Read once as long as the section stays the same. */
const read = new WeakMap<object, ReadonlyMap<string, Configs>>()

/** What was set for a resource. */
export function keptConfigs(kept: ClusterFile, section: ConfigSection, resource: string): Configs {
  return parsed(kept.get(section)).get(resource) ?? NONE
}

/** The resources that something was set for, in the order in which it was. */
export function keptResources(kept: ClusterFile, section: ConfigSection): readonly string[] {
  return Array.from(parsed(kept.get(section)).keys())
}

/** What a consumer group is told to do otherwise than the others. */
export function consumerSettingsOf(kept: ClusterFile, groupId: string): Partial<ConsumerGroupSettings> {
  const configs = keptConfigs(kept, 'group-configs', groupId)
  const [session, heartbeat] = [configs.get('consumer.session.timeout.ms'), configs.get('consumer.heartbeat.interval.ms')]
  return {
    ...(session !== undefined && { sessionTimeoutMs: Number(session) }), ...(heartbeat !== undefined && { heartbeatIntervalMs: Number(heartbeat) }),
  }
}

/**
 * Changes what is set for a resource; no configs take it out.
 *
 * @param stays  whether a resource is still there: what is kept for others is forgotten
 */
export async function keepConfigs(
  kept: ClusterFile, section: ConfigSection, resource: string, next: (configs: Configs) => Configs, stays: (resource: string) => boolean = () => true,
): Promise<void> {
  await kept.change(section, (value) => {
    const all = new Map(Array.from(parsed(value)).filter(([name]) => stays(name)))
    const configs = next(all.get(resource) ?? NONE)
    if (configs.size > 0) all.set(resource, configs)
    else all.delete(resource)
    return all.size === 0 ? undefined : Array.from(all, ([name, entries]) => [name, Array.from(entries)])
  })
}

function parsed(value: Json | undefined): ReadonlyMap<string, Configs> {
  if (typeof value !== 'object' || value === null) return new Map()
  const known = read.get(value)
  if (known !== undefined) return known
  const all = value as readonly (readonly [string, readonly (readonly [string, string])[]])[]
  const configs = new Map(all.map(([name, entries]) => [name, new Map(entries)]))
  read.set(value, configs)
  return configs
}
