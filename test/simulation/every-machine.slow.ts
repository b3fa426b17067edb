import { test } from 'vitest';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { movesNoFinding } from './own-moves.ts';

test.each(MACHINE_NAMES)('%s: no finding comes or goes with what moves by itself', movesNoFinding);
