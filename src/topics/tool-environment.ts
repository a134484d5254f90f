/*
 * What partitions need around them when tools work on a folder in which no log is open: repair and backup. Budgets are small, and nobody
 * listens.
 */
import { type Clock } from '../base/clock.ts'
import { type Random } from '../base/random.ts'
import { type FileSystem } from '../files/file-system.ts'
import { OpenFiles } from '../files/open-files.ts'
import { BufferBudget } from '../log/buffer-budget.ts'
import { DiskRoom } from '../log/disk-room.ts'
import { type LogEnvironment } from '../log/environment.ts'
import { type Mark } from '../log/mark.ts'
import { SyncGate } from '../log/sync-gate.ts'
import { WindowCache } from '../log/windows.ts'

/** An environment in `folder`. Close its `openFiles` and the mark. */
export function toolEnvironment(files: FileSystem, folder: string, parts: { clock: Clock; random: Random; mark: Mark }): LogEnvironment {
  return {
    ...parts, files, lock: undefined, readOnly: false, roomAheadBytes: 0, emit: undefined,
    openFiles: new OpenFiles(files),
    syncs: new SyncGate(),
    windows: new WindowCache(0),
    buffer: new BufferBudget(0),
    room: new DiskRoom(files, folder, parts.clock, 0),
  }
}
