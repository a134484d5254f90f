/*
 * Where decompressed bytes go: who asks for them knows how long they are needed.
 */

/** Gives memory of so many bytes, whatever is in it: new, or some that is used again once what it held was looked at. */
export type Memory = (bytes: number) => Buffer
