import { describe, expect, test } from 'vitest';
import { MISSING_REASONS, type MissingReason } from '../../src/contract/reading.ts';
import type { Clue } from '../../src/findings/clue.ts';
import type { NodeFacts } from '../../src/findings/facts.ts';
import { type Deciding, decidingOf, gapsOf } from '../../src/findings/gaps.ts';
import { ANY, isExcused } from '../../src/findings/labels.ts';
import type { Rule } from '../../src/findings/rule.ts';
import { RULES } from '../../src/findings/rules.ts';
import { readingsAt, saysLost } from '../../src/findings/support/readings.ts';
import { has, saysLostBy, without } from '../fakes/missing.ts';
import { recorder } from '../fakes/recording.ts';
import { playAll } from '../scenarios/index.ts';
import { isSerious, type Outcome } from '../scenarios/scenario.ts';
import { declarationsOf, declaredBy, type Place, placesIn } from './readings.ts';

const outcomes = await playAll();
const places = placesIn(outcomes.map(({ facts }) => facts));
const rules: readonly Rule[] = RULES;
const deciding = decidingOf(rules);

/** Why a reading is missing, as far as rules tell reasons apart. */
const REASONS = ['timeout', 'no_permission', 'not_found', 'unknown', 'driver_not_loaded'] as const;

const textOf = ({ part, path }: Place): string => `${part} ${path}`;

/** What each rule reads of all nodes that were heard. */
const readBy = new Map(rules.map(rule => [rule, new Set<string>()]));

/**
 * A node, and what the rules say of it without a reading. One that did not read it says what it said
 * before: rules are pure, and they say the same of facts that note what is read.
 */
function heard({ facts, scenario }: Outcome) {
  const record = recorder(facts);
  const first = rules.map(rule => {
    const { said, seen } = record(rule);
    for (const each of seen) readBy.get(rule)?.add(each);
    return { rule, seen, clues: said };
  });
  const lost = facts.driver.gpus.some(saysLost);
  const reads = (seen: ReadonlySet<string>, place: Place) =>
    seen.has(textOf(place)) || (place.part === 'gpu' && lost && seen.has(`gpu ${ANY}`));
  return {
    name: scenario.name,
    facts,
    places: places.filter(({ part, path }) => has(facts, part, path)),
    clues: first.map(({ clues }) => clues),
    isRead: (place: Place): boolean => first.some(({ seen }) => reads(seen, place)),
    cluesOf: (lacking: NodeFacts, place: Place): readonly (readonly Clue[])[] =>
      first.map(({ rule, seen, clues }) => (reads(seen, place) ? rule(lacking) : clues)),
  };
}

/** Where the reason is the sign itself (a handle, a pid that is gone), another one is a fault. */
const REASONS_ON_WELL_NODES = {
  gpu: ['timeout', 'no_permission', 'unknown', 'gpu_is_lost'],
  driver: [],
  host: ['unreadable', 'no_permission'],
  owner: ['unreadable', 'no_permission'],
} as const;

const ANY_OF_GPU: Place = { part: 'gpu', path: ANY };

const isDeciding = (place: Place): boolean => deciding.some(row => textOf(row) === textOf(place));

const isFault = (clues: readonly Clue[]): boolean => clues.some(isSerious);

const others = (place: Place): readonly Deciding[] =>
  deciding.filter(row => textOf(row) !== textOf(place));

/** The fault of this node is what one reading says of why it is missing: for another reason it is none. */
const FAULT_IS_A_REASON = 'the serial number of one GPU says that it is lost, all else is well';

const faulty = outcomes.filter(({ scenario }) => scenario.truth !== 'healthy').map(heard);
const well = outcomes.filter(({ scenario }) => scenario.truth === 'healthy').map(heard);

/** By rule, the readings without which its fault would go for health if no gap named them. */
const hidden = new Map<string, Set<string>>(rules.map(({ id }) => [id, new Set()]));

describe('a reading that is missing beside a fault', () => {
  const falseAllClears: string[] = [];
  let pairs = 0;
  for (const { name, facts, places, clues, isRead, cluesOf } of faulty) {
    const faults = clues.map(isFault);
    for (const place of places) {
      if (name === FAULT_IS_A_REASON && place.path === 'serial') continue;
      // Of what no rule reads nobody looks at the reason.
      for (const reason of isRead(place) ? REASONS : REASONS.slice(0, 1)) {
        if (isExcused(place.part, place.path, reason)) continue;
        pairs += 1;
        // What no rule read is missed by none: they say what they said, and that is a fault.
        if (faults.includes(true) && !isRead(place)) continue;
        const lacking = without(facts, { ...place, reason });
        const left = cluesOf(lacking, place).map(isFault);
        if (left.includes(true)) continue;
        if (gapsOf(lacking).length === 0) falseAllClears.push(`${name}: no ${textOf(place)}`);
        const silenced = rules.filter((_, at) => faults[at] && !left[at]);
        if (silenced.length === 0 || gapsOf(lacking, others(place)).length > 0) continue;
        for (const { id } of silenced) hidden.get(id)?.add(textOf(place));
      }
    }
  }

  test('never makes the node healthy, whatever the reason', () => {
    expect(falseAllClears).toEqual([]);
    expect(pairs).toBeGreaterThan(100_000);
  });

  test.each(rules.map(rule => [rule.id, rule] as const))(
    'would do so but for what decides by the word of %s, and but for nothing else',
    (id, rule) => {
      const { decides } = declarationsOf(rule);
      expect([...(hidden.get(id) ?? [])].sort()).toEqual(
        decides.filter(text => text !== textOf(ANY_OF_GPU)).sort(),
      );
    },
  );

  test('of one GPU alone hides nothing either', () => {
    const healthy = faulty.flatMap(({ name, facts, places, clues, isRead, cluesOf }) =>
      places
        // What decides is a gap on whichever GPU it is missing: shown below.
        .filter(place => place.part === 'gpu' && isRead(place) && !isDeciding(place))
        .flatMap(place =>
          facts.driver.gpus.flatMap(gpu => {
            const { index } = gpu;
            // Of two readings that say it, one is no proof: another reason takes the sign away.
            if (saysLostBy(gpu, place.path)) return [];
            const lacking = without(facts, { ...place, reason: 'timeout', gpu: index });
            const isTold = !clues.some(isFault) || cluesOf(lacking, place).some(isFault);
            return isTold ? [] : [`${name}: no ${textOf(place)} of GPU ${index}`];
          }),
        ),
    );
    expect(healthy).toEqual([]);
  });
});

/** Where a sign of a fault is there, and all that takes it back is the reading: without it the sign stands. */
const TAKEN_BACK_BY: readonly (readonly [RegExp, string])[] = [
  [/^GPUs of eight in MIG mode are in no fabric/, 'migMode'],
  [/^the power brake held all GPUs down for a moment/, 'violations.hwPowerBrakeNs'],
  [/^all GPUs are idle, and the general slowdown bit/, 'gpuUtilizationPercent'],
  [/^a Grace Hopper whose CPU takes a third of the power/, 'power.moduleInstantMw'],
  [/^a DRA driver gives the GPUs/, 'daemons'],
  [/^no GPU is left to be offered/, 'pods.allocations'],
  [/^an adapter of another board/, 'nics.boardId'],
  [/^below the port of a slot/, 'pciDevices'],
  [/^below the port of a slot/, 'pciDevices.bridges'],
  [/^a disk that did not answer before the last boot/, 'bootId'],
  [/^an image brings libraries of another driver/, 'containers.mountedLibraries'],
];

test('a reading that is missing on a well node accuses nobody', () => {
  const accused = well.flatMap(({ name, facts, places, isRead, cluesOf }) =>
    places
      .filter(place => place.part !== 'driver' && place.path !== 'handle' && isRead(place))
      .filter(({ path }) => !TAKEN_BACK_BY.some(([of, by]) => of.test(name) && path === by))
      .flatMap(place =>
        REASONS_ON_WELL_NODES[place.part].flatMap(reason => {
          const lacking = without(facts, { ...place, reason, gpu: 0 });
          const isAccused = cluesOf(lacking, place).some(isFault);
          return isAccused ? [`${name}: no ${textOf(place)} (${reason})`] : [];
        }),
      ),
  );
  expect(accused).toEqual([]);
});

describe('a deciding reading that is missing is a gap, unless the node has no such thing', () => {
  const whole = outcomes.filter(({ diagnosis }) => diagnosis.gaps.length === 0);
  test.each(deciding.map(row => [textOf(row), row] as const))('%s', (_, { part, path }) => {
    // One that decides nothing by itself stands for all of them.
    const gapsFor = (facts: NodeFacts, reason: MissingReason) =>
      gapsOf(without(facts, { part, path: path === ANY ? 'serial' : path, reason, gpu: 0 }));
    const node = whole.find(({ facts }) => gapsFor(facts, 'gpu_is_lost').length > 0);
    const gaps = MISSING_REASONS.filter(reason => node && gapsFor(node.facts, reason).length > 0);
    const others = part === 'gpu' && path !== ANY ? node?.facts.driver.gpus.slice(1) : [];
    // Nobody asks for the addresses of errors where there are none.
    const isAsked = path !== 'sramUniqueErrors';
    const isGiven = isAsked && readingsAt(others, path.split('.')).some(({ ok }) => ok);
    // What its neighbours give, this GPU has.
    const isGap = (reason: MissingReason) =>
      !isExcused(part, path, reason) || (isGiven && reason === 'not_supported');
    expect(gaps).toEqual(MISSING_REASONS.filter(isGap));
  });
});

describe('a rule reads what it says, all of it and nothing else, on whatever node', () => {
  test.each(rules.map(rule => [rule.id, rule] as const))('%s', (_, rule) => {
    expect([...(readBy.get(rule) ?? [])].sort()).toEqual([...new Set(declaredBy(rule))].sort());
  });
});

test('no declaration of a reading can go without one of the tests above failing', () => {
  const declared = rules.map(rule => ({ rule, ...declarationsOf(rule) }));
  const left = (list: readonly string[], at: number) => list.toSpliced(at, 1);
  const unnoticed = declared.flatMap(({ rule, decides, tells, ofRules }) => {
    const isReadWith = (...said: readonly (readonly string[])[]) =>
      [...(readBy.get(rule) ?? [])].every(each => said.flat().includes(each));
    return [
      ...decides.filter(
        (path, at) =>
          isReadWith(left(decides, at), tells, ofRules) &&
          (left(decides, at).includes(path) || !hidden.get(rule.id)?.has(path)),
      ),
      ...tells.filter((_, at) => isReadWith(decides, left(tells, at), ofRules)),
    ].map(path => `${rule.id}: ${path}`);
  });
  expect(unnoticed).toEqual([]);
  const count = declared.flatMap(({ decides, tells }) => [...decides, ...tells]).length;
  process.stdout.write(`${count} declarations of readings, each removed in turn: all noticed\n`);
});

test('what every rule says is told, and a fault of one is a fault of the node', () => {
  for (const { facts, diagnosis } of outcomes) {
    const clues = rules.flatMap(rule => rule(facts));
    expect(diagnosis.findings.some(isSerious)).toBe(isFault(clues));
    expect(diagnosis.findings.length > 0).toBe(clues.length > 0);
  }
});

test('rules say the same of facts that note what is read', () => {
  for (const { facts, clues } of [...faulty, ...well]) {
    expect(rules.map(rule => rule(facts))).toEqual(clues);
  }
});
