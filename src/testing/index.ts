/*
 * The door `commitlog/testing`: the world below the log, under control. More of the kit comes with the releases that need it.
 */
export type { DiskCall, DiskFault, DiskVerb } from './disk-faults.ts'
export { ManualClock, type ManualClockOptions } from './manual-clock.ts'
export { type Crash, SimulatedDisk, type SimulatedDiskOptions } from './simulated-disk.ts'
