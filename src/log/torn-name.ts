/*
 * What files are called that hold bytes which were set aside: nothing that recovery or a repair takes out of a log is deleted.
 */
import { type FileSystem } from '../files/file-system.ts'

/** A free name in `folder` for what is set aside of the file called `name`: `torn-<name>`, or with a number behind it. */
export function tornName(files: FileSystem, folder: string, name: string): string {
  for (let number = 1; ; number++) {
    const candidate = number === 1 ? `torn-${name}` : `torn-${name}-${number}`
    if (files.statSync(files.join(folder, candidate)) === undefined) return candidate
  }
}
