/*
 * The field of several answers in which a broker tells what somebody may do: a bit for each operation.
 */

/** What an answer has when nobody asked for operations. */
export const OPERATIONS_NOT_ASKED = -0x8000_0000
