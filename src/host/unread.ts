import { missing } from '../contract/reading.ts';
import { lenient } from '../contract/reading-schema.ts';
import { deepHostState } from './readings.ts';

const unread = missing('not_read', 'a shallow reading');

/** A shallow reading's share of what it leaves out. */
export const UNREAD_DEPTH = lenient(deepHostState, { absent: unread, unreadable: unread }).parse(
  {},
);
