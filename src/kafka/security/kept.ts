/*
 * One value that is kept with the log: what the owners of credentials and ACLs need of the file of cluster settings.
 */
import { type Json } from '../../format/cluster-settings.ts'

/** A value that outlives the process. */
export interface KeptValue {
  /** As it was kept last; undefined when there is none. */
  get(): Json | undefined
  /** Replaces it, durably, while nobody else changes it. */
  change(next: (value: Json | undefined) => Json | undefined): Promise<void>
}
