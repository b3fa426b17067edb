import { expect } from 'vitest';
import { diagnose } from '../../src/findings/diagnosis.ts';
import { atWork } from '../../src/simulation/at-work.ts';
import { loadMachine } from '../../src/simulation/machine.ts';
import type { Part } from '../../src/simulation/part.ts';
import { factsFor } from '../fakes/facts.ts';

/** The machine as it is when its numbers have gone as far as they go. */
const farthest = (part: Part): Part => ({
  ...part,
  answers: Object.fromEntries(
    Object.entries(part.answers).map(([key, answer]) => {
      const of = (member: string) => part.moves[`${key}${member}`]?.swing ?? 0;
      if (typeof answer === 'number') return [key, Math.max(0, Math.round(answer + of('')))];
      if (typeof answer !== 'object' || Array.isArray(answer)) return [key, answer];
      const members = Object.entries(answer).map(([name, value]) => [
        name,
        typeof value === 'number' ? value + of(`.${name}`) : value,
      ]);
      return [key, Object.fromEntries(members)];
    }),
  ),
});

/** No finding comes or goes with what moves by itself. */
export async function movesNoFinding(name: string): Promise<void> {
  const machine = loadMachine(name);
  const moving = atWork(machine);
  const own = machine.gpus.map(({ moves }) => Object.keys(moves));
  const gpus = moving.gpus.map((gpu, index) =>
    farthest({
      ...gpu,
      moves: Object.fromEntries(
        Object.entries(gpu.moves).filter(([key]) => !own[index]?.includes(key)),
      ),
    }),
  );
  const told = async (of: typeof machine) => {
    const { verdict, findings } = diagnose(await factsFor(of));
    return { verdict, ids: findings.map(({ id }) => id) };
  };
  const whole = gpus.map((gpu, index) => ({ ...gpu, mig: machine.gpus[index]?.mig ?? [] }));
  expect(await told({ ...machine, gpus: whole })).toEqual(await told(machine));
}
