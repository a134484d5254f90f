/*
 * What somebody gave to be read, and cannot be: a line, a file, a text. Not misuse of a function, and nothing that a retry would change.
 */

/** What was given to work on cannot be worked on; the message says what of it. */
export class InputError extends Error {}
