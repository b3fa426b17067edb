import * as z from 'zod';
import { isMoment, MOMENT_HINT } from '../../contract/time.ts';

/** A moment as tools take it; a duration counts back from the now of the node. */
export const moment = z.string().max(40).refine(isMoment, MOMENT_HINT);
