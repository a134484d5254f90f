/*
 * node:fs, as every file of this floor has it. Not by an import statement: that one reads each property of a module of Node once, and some
 * of them load streams, promises and watchers behind it, a tenth of our time to start.
 */

/** The module `node:fs`. */
export const fs = process.getBuiltinModule('node:fs')
