/*
 * Simulated disks of a fresh seed: what a test asserts must hold whatever the disk does. One that fails prints the seed that repeats it.
 */
import { onTestFailed } from 'vitest'
import { SimulatedDisk, type SimulatedDiskOptions } from '../../src/testing/simulated-disk.ts'

/** A disk for the test that runs. `SEED` repeats what a failed one printed. */
export function freshDisk(options: SimulatedDiskOptions = {}): SimulatedDisk {
  const seed = process.env['SEED']
  const disk = new SimulatedDisk({ ...(seed !== undefined && { seed: Number(seed) }), ...options })
  onTestFailed(() => console.log(`SEED=${disk.seed}`))
  return disk
}
