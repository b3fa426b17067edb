import { test } from 'vitest';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { isOneSmallFile } from './one-file.ts';

test.each(MACHINE_NAMES)('the report of %s is one small file', isOneSmallFile);
