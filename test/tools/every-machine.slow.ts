import { describe, test } from 'vitest';
import { MACHINE_NAMES } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { answersAsItSays } from './as-it-says.ts';

describe.each(TOOLS.filter(({ isLocal }) => !isLocal))('$name', tool => {
  test.each(MACHINE_NAMES)(
    'answers on %s as its schema says, and says that it is simulated',
    machine => answersAsItSays(tool, machine),
  );
});
