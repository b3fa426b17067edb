/**
 * Judges mutants of src/findings, one message each: what the scenarios and test/findings expect is read
 * and proven once, and each mutant is switched on for what reaches it. test/mutate/findings.ts starts it
 * and ends it where a mutant does not come back.
 */
import { globSync } from 'node:fs';
import { resolve } from 'node:path';
import { checkResults } from '../../src/findings/checks.ts';
import type { Clue } from '../../src/findings/clue.ts';
import { type Diagnosis, diagnose } from '../../src/findings/diagnosis.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { gapsOf } from '../../src/findings/gaps.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { reasonsToLookAgain } from '../../src/findings/second-look.ts';
import { countReadings } from '../../src/findings/support/readings.ts';
import { has, type Missing, without } from '../fakes/missing.ts';
import { PARTS } from '../matrix/readings.ts';
import { SCENARIOS } from '../scenarios/index.ts';
import { isSerious, pageOf, play, type Scenario } from '../scenarios/scenario.ts';
import { Question, type Verdict } from './question.ts';
import { stryker, type Test, tests } from './stand-in.ts';

/** More than any piece of the work below takes: the mutant has made a loop endless. */
stryker.hitLimit = 1_000_000;

const rules: readonly Rule[] = RULES;

/** What facts go through on their way to a verdict, each called by itself. */
const STEPS: readonly ((facts: NodeFacts) => unknown)[] = [
  ...rules,
  gapsOf,
  countReadings,
  reasonsToLookAgain,
];
const SECOND_LOOK = STEPS.indexOf(reasonsToLookAgain);
/** Only where no fault is known does the verdict hang on what was not read. */
const OF_WELL_NODES = [gapsOf, countReadings].map(step => STEPS.indexOf(step));

/** Which steps reach a mutant, on whatever machine. */
const stepsOf = new Map<string, Set<number>>();
const reachedBy = (at: number, id: string) =>
  stepsOf.set(id, (stepsOf.get(id) ?? new Set()).add(at));

/** Runs it and counts how often which mutants are reached. */
async function counted<T>(
  run: () => T,
): Promise<{ value: Awaited<T>; hits: readonly (readonly [id: string, count: number])[] }> {
  stryker.reached.fill(0);
  const value = await run();
  const hits: (readonly [id: string, count: number])[] = [];
  // Thousands of mutants, counted for thousands of steps, of which each reaches few.
  for (let id = 0; id < stryker.reached.length; id += 1) {
    const count = stryker.reached[id] ?? 0;
    if (count > 0) hits.push([String(id), count]);
  }
  return { value, hits };
}

interface Row {
  readonly scenario: Scenario;
  readonly facts: NodeFacts;
  readonly page: string;
  /** What each step says. */
  readonly said: readonly string[];
  readonly reaches: ReadonlySet<string>;
  /** Mutants that are reached by more than the steps: merging, the remedy. */
  readonly beyond: ReadonlySet<string>;
  readonly isWell: boolean;
  readonly ms: number;
}

const page = ({ verdict, findings }: Diagnosis): string =>
  [verdict, ...findings.map(pageOf)].join('\n');

async function rowOf(scenario: Scenario): Promise<Row> {
  const startedMs = performance.now();
  const { facts } = await play(scenario);
  const { value, hits } = await counted(() => diagnose(facts));
  const left = new Map(hits);
  const reaches = new Set(left.keys());
  const said: string[] = [];
  const isWell = !value.findings.some(isSerious);
  for (const [at, step] of STEPS.entries()) {
    const alone = await counted(() => JSON.stringify(step(facts)) ?? '');
    said.push(alone.value);
    for (const [id, count] of alone.hits) {
      reachedBy(at, id);
      if (at === SECOND_LOOK) reaches.add(id);
      else left.set(id, (left.get(id) ?? 0) - count);
    }
  }
  // Checks ask for gaps once more, and stand on no page.
  const told = rules.map(rule => ({ rule, clues: rule(facts) }));
  const gaps = gapsOf(facts);
  for (const [id, count] of (await counted(() => checkResults(facts, told, gaps))).hits) {
    left.set(id, (left.get(id) ?? 0) - count);
  }
  const beyond = new Set([...left].flatMap(([id, count]) => (count > 0 ? id : [])));
  const ms = performance.now() - startedMs;
  return { scenario, facts, page: page(value), said, reaches, beyond, isWell, ms };
}

/** Whether this machine's findings are others than expected, with the mutant that is on. */
async function isNoticedBy(row: Row, id: string): Promise<boolean> {
  const changed = [...(stepsOf.get(id) ?? [])].filter(
    at =>
      (row.isWell || !OF_WELL_NODES.includes(at)) &&
      JSON.stringify(STEPS[at]?.(row.facts)) !== row.said[at],
  );
  if (changed.includes(SECOND_LOOK)) return page((await play(row.scenario)).diagnosis) !== row.page;
  return (changed.length > 0 || row.beyond.has(id)) && page(diagnose(row.facts)) !== row.page;
}

const isFault = (clues: readonly Clue[]): boolean => clues.some(isSerious);

/** Machines on which a rule has something to say, and well ones, each without one of its readings. */
const FAULTY_MAX = 6;
const WELL_MAX = 3;

/** As test/matrix has it: what is missing breaks no rule, and on a well machine accuses nobody. */
function lackingOf(rule: Rule, at: number): readonly { facts: NodeFacts; isWell: boolean }[] {
  const well = rows.filter(({ scenario }) => scenario.truth === 'healthy').slice(0, WELL_MAX);
  const faulty = rows.filter(({ said }) => said[at] !== '[]').slice(0, FAULTY_MAX);
  const lackingEach = ({ facts }: Row, how: Pick<Missing, 'reason' | 'gpu'>) =>
    PARTS.flatMap(part =>
      [...(rule.reads[part]?.decides ?? []), ...(rule.reads[part]?.tells ?? [])]
        .filter(path => path !== 'handle' && has(facts, part, path))
        .map(path => without(facts, { part, path, ...how })),
    );
  return [
    ...faulty
      .flatMap(row => lackingEach(row, { reason: 'unknown' }))
      .map(facts => ({ facts, isWell: false })),
    ...well
      .flatMap(row => lackingEach(row, { reason: 'no_permission', gpu: 0 }))
      .map(facts => ({ facts, isWell: !isFault(rule(facts)) })),
  ];
}

const isNoticedWithout = (at: number): boolean =>
  (lacking[at] ?? []).some(({ facts, isWell }) => isFault(rules[at]?.(facts) ?? []) && isWell);

/** What throws is noticed, too. */
async function notices(judge: () => unknown): Promise<boolean> {
  stryker.hitCount = 0;
  try {
    return (await judge()) === true;
  } catch {
    return true;
  }
}

/** A test of whole diagnoses reaches every rule: of what is in one it runs where a rule says else. */
const isRunFor = (id: string, fileName: string, nodes: readonly NodeFacts[]): boolean =>
  nodes.length === 0 ||
  !/\/(?:rules|support)\//.test(fileName) ||
  !stepsOf.has(id) ||
  [...(stepsOf.get(id) ?? [])].some(at => nodes.some(facts => isOther(at, facts)));

/** A test of one rule hands it facts on which the others break: they say nothing there. */
function saidBy(step: (facts: NodeFacts) => unknown, facts: NodeFacts): string | undefined {
  try {
    return JSON.stringify(step(facts));
  } catch {
    return undefined;
  }
}

function isOther(at: number, facts: NodeFacts): boolean {
  const said = saidInTests.get(facts)?.[at];
  stryker.hitCount = 0;
  try {
    return said !== undefined && JSON.stringify(STEPS[at]?.(facts)) !== said;
  } catch {
    return true;
  }
}

/** Tells who would end it that the next piece of work begins, and how long that takes without a mutant. */
const begin = (id: string, unmutatedMs: number) => process.send?.({ id, unmutatedMs });

/** A test that takes less is asked before all machines are. */
const SHORT_TEST_MS = 20;

async function judged({ id, fileName }: Question): Promise<Verdict> {
  const reached = rows.filter(({ reaches }) => reaches.has(id));
  const testing = reachedByTest.filter(({ reaches }) => reaches.has(id));
  if (reached.length + testing.length === 0) {
    return { status: loaded[Number(id)] ? 'Ignored' : 'NoCoverage' };
  }
  const [short, long] = [
    testing.filter(({ ms }) => ms < SHORT_TEST_MS),
    testing.filter(({ ms }) => ms >= SHORT_TEST_MS),
  ];
  stryker.activeMutant = id;
  try {
    const byShort = await noticingTest(short, { id, fileName });
    if (byShort) return { status: 'Killed', by: byShort.name };
    for (const row of reached) {
      begin(id, row.ms);
      if (await notices(() => isNoticedBy(row, id))) {
        return { status: 'Killed', by: row.scenario.name };
      }
    }
    const byLong = await noticingTest(long, { id, fileName });
    if (byLong) return { status: 'Killed', by: byLong.name };
    for (const at of stepsOf.get(id) ?? []) {
      begin(id, 0);
      if (await notices(() => isNoticedWithout(at))) return { status: 'Killed', by: 'test/matrix' };
    }
    return { status: 'Survived' };
  } finally {
    stryker.activeMutant = undefined;
  }
}

async function noticingTest(
  testing: typeof reachedByTest,
  { id, fileName }: Question,
): Promise<Test | undefined> {
  for (const { test, nodes, ms } of testing) {
    begin(id, ms);
    if (isRunFor(id, fileName, nodes) && (await notices(test.run))) return test;
  }
  return undefined;
}

for (const file of globSync('test/findings/*.test.ts').sort()) await import(resolve(file));
/** What was reached while the sources were loaded. */
const loaded = stryker.reached.slice();
const rows: Row[] = [];
for (const scenario of SCENARIOS) rows.push(await rowOf(scenario));
const reachedByTest: {
  readonly test: Test;
  readonly reaches: ReadonlySet<string>;
  readonly nodes: readonly NodeFacts[];
  readonly ms: number;
}[] = [];
for (const test of tests) {
  const nodes = new Set<NodeFacts>();
  stryker.heard = facts => nodes.add(facts);
  const startedMs = performance.now();
  const { hits } = await counted(test.run);
  const ms = performance.now() - startedMs;
  reachedByTest.push({ test, reaches: new Set(hits.map(([id]) => id)), nodes: [...nodes], ms });
}
delete stryker.heard;
const saidInTests = new Map<NodeFacts, readonly (string | undefined)[]>();
for (const facts of reachedByTest.flatMap(({ nodes }) => nodes)) {
  const said: (string | undefined)[] = [];
  for (const [at, step] of STEPS.entries()) {
    const { value, hits } = await counted(() => saidBy(step, facts));
    said.push(value);
    // A test hands its rule what no scenario has.
    for (const [id] of hits) reachedBy(at, id);
  }
  saidInTests.set(facts, said);
}
const lacking = rules.map(lackingOf);
for (const row of rows) {
  if (page(diagnose(row.facts)) !== row.page) {
    throw new Error(`not the same twice: ${row.scenario.name}`);
  }
}

process.on('message', async message => {
  const question = Question.parse(message);
  process.send?.({ id: question.id, ...(await judged(question)) });
});
process.send?.('ready');
