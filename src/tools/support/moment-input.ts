import * as z from 'zod';
import { isMoment, MOMENT_HINT } from '../../contract/time.ts';

/** How far back the kernel log decides: one window for all that judges, so that no two tools differ by it. */
export const VERDICT_SINCE = '24h';
/** How far back a report shows lines beside it. */
export const REPORT_SINCE = '7d';

/** A moment as tools take it; a duration counts back from the now of the node. */
export const moment = z.string().max(40).refine(isMoment, MOMENT_HINT);
