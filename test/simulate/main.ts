import { parseArgs } from 'node:util';
import { FOUND } from './found.ts';
import { describePlan, planOf } from './plan.ts';
import { Simulation } from './simulation.ts';

/** `npm run simulate`: many seeds, or one with its trace. */
const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    seeds: { type: 'string', default: '100000' },
    from: { type: 'string', default: '1' },
    operations: { type: 'boolean', default: false },
    trace: { type: 'boolean', default: false },
  },
});
using simulation = await Simulation.start();
const say = (text: string) => process.stdout.write(`${text}\n`);

if (values.operations) await everyOperation();
else if (values.seed === undefined) {
  await foundBefore();
  await many(Number(values.from), Number(values.seeds));
} else await one(Number(values.seed));

async function foundBefore(): Promise<void> {
  let wrong = 0;
  for (const [name, plan] of Object.entries(FOUND)) {
    const { violations, trace } = await simulation.play(plan);
    if (violations.length === 0) continue;
    wrong += 1;
    say([`${name}: ${violations.join('; ')}`, ...describePlan(plan), ...trace].join('\n'));
  }
  say(`${Object.keys(FOUND).length} found before, ${wrong} wrong`);
  if (wrong > 0) process.exitCode = 1;
}

async function everyOperation(): Promise<void> {
  const { runs, wrong } = await simulation.failEveryOperation(lines => {
    if (values.trace) say(lines.join('\n'));
  });
  say([...wrong, `${runs} operations that fail, ${wrong.length} wrong`].join('\n'));
  if (wrong.length > 0) process.exitCode = 1;
}

async function many(from: number, seeds: number): Promise<void> {
  let wrong = 0;
  for (let seed = from; seed < from + seeds; seed += 1) {
    const { violations } = await simulation.play(planOf(seed));
    if (violations.length === 0) continue;
    wrong += 1;
    say(`seed ${seed}: ${violations.join('; ').slice(0, 300)}`);
  }
  say(`${seeds} seeds, ${wrong} wrong`);
  if (wrong > 0) process.exitCode = 1;
}

/** The seed's trace, and what is wrong with it shown by the fewest faults that show it. */
async function one(seed: number): Promise<void> {
  const whole = planOf(seed);
  const isWrong = (await simulation.play(whole)).violations.length > 0;
  const plan = isWrong ? await simulation.smallest(whole) : whole;
  const { violations, trace } = await simulation.play(plan);
  say([...describePlan(plan), ...trace, ...violations.map(what => `WRONG: ${what}`)].join('\n'));
  process.exitCode = isWrong ? 1 : 0;
}
