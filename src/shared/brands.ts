/**
 * The numbers and strings that must not be mistaken for one another.
 *
 * Rule: only a decoder or an allocator casts to a brand; everybody else passes brands on.
 */

declare const brand: unique symbol;
type Brand<T, B extends string> = T & { readonly [brand]: B };

/** An inode number of a volume: 1 is the root, never reused, below 2^48. */
export type Ino = Brand<number, 'Ino'>;

/** What the kernel calls an inode: the Ino of a live inode, or a virtual node at 2^52 and above. */
export type NodeId = Brand<number, 'NodeId'>;

/** The number of a mutation in its volume: 1, 2, 3, …; 0 is the empty volume before the first. */
export type Revision = Brand<number, 'Revision'>;

/** The sequence number of a segment in its log: 0, 1, 2, … */
export type SegmentId = Brand<number, 'SegmentId'>;

/** A place in a log: segment × SEGMENT_SPAN + offset in bytes. */
export type LogPos = Brand<number, 'LogPos'>;

/** The number of an actor in its volume; 0 is the system itself. */
export type ActorId = Brand<number, 'ActorId'>;

/** The number of a promise's definition in its volume; 0 is that of files from before there were any. */
export type PromiseId = Brand<number, 'PromiseId'>;

/** One path component as bytes, one char per byte (latin1): 1 to 255, no "/" and no NUL. */
export type Name = Brand<string, 'Name'>;

export const ROOT_INO = 1 as Ino;
export const INO_MAX = (2 ** 48 - 1) as Ino;
export const NO_REVISION = 0 as Revision;
export const SYSTEM_ACTOR = 0 as ActorId;
export const NO_PROMISE = 0 as PromiseId;
