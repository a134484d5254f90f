/*
 * What we use of node:util. Not by an import statement: that one reads each property of a module of Node once, and some of this one load
 * streams and worker threads behind it, three milliseconds of an importer's time.
 */

/** Of the module `node:util`. */
export const { inspect, isDeepStrictEqual, parseArgs } = process.getBuiltinModule('node:util')
