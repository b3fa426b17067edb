import type { Right } from './api-server.ts';
import {
  type Fault,
  REFUSALS,
  REQUEST_FAULTS,
  REQUEST_KINDS,
  STREAM_FAULTS,
  TIME_FAULTS,
  textOf,
} from './faults.ts';
import type { ClusterTraits } from './kubernetes.ts';

/** All that one simulation is made of: the same seed gives the same plan, and the same trace. */
export interface Plan {
  readonly seed: number;
  readonly program: Program;
  readonly machine: 'healthy' | 'faulty';
  readonly traits: ClusterTraits;
  readonly denied: readonly Right[];
  readonly latencyMs: number;
  readonly slowMs: number;
  readonly faults: readonly Fault[];
  readonly end:
    | { readonly how: 'kill -9' | 'SIGINT' | 'SIGINT twice'; readonly atMs: number }
    | undefined;
  /** What it has to say of its failure. */
  readonly says?: RegExp;
}

export type Program =
  | { readonly name: 'triage' | 'fleet' | 'clean' | 'nodes'; readonly flags: readonly string[] }
  /** An AI client: asks, waits, asks again, and closes. */
  | {
      readonly name: 'serve';
      readonly flags: readonly string[];
      readonly gapsMs: readonly number[];
    };

/** The same numbers from the same seed. */
export class Random {
  #state: number;
  constructor(seed: number) {
    this.#state = (seed * 0x9e3779b9) >>> 0;
    for (let warm = 0; warm < 4; warm += 1) this.next();
  }
  /** From 0 to 1. Mulberry32, by Tommy Ettinger, public domain. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  }
  chance(part: number): boolean {
    return this.next() < part;
  }
  /** Small numbers oftener than large ones. */
  skewed(max: number): number {
    return Math.floor(this.next() ** 3 * max);
  }
  whole(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }
  one<T>(items: readonly [T, ...T[]] | readonly T[]): T {
    const found = items[this.whole(0, items.length - 1)];
    if (found === undefined) throw new RangeError('nothing to choose from');
    return found;
  }
}

const REFUSAL_NAMES = Object.keys(REFUSALS).filter(isRefusalName);
function isRefusalName(name: string): name is keyof typeof REFUSALS {
  return name in REFUSALS;
}

export function planOf(seed: number): Plan {
  const random = new Random(seed);
  const isBare = random.chance(0.35);
  const flags = [
    '--image',
    'example/gpu-mcp:1',
    ...(isBare && random.chance(0.5) ? ['--lifetime', 'pod'] : []),
    ...(random.chance(0.1) ? ['--request-timeout', '5s'] : []),
  ];
  const denied: Right[] = [
    ...(isBare && random.chance(0.6) ? (['create jobs'] as const) : []),
    ...(random.chance(0.1) ? (['watch'] as const) : []),
    ...(random.chance(0.05) ? (['list events'] as const) : []),
    ...(random.chance(0.03) ? (['delete jobs'] as const) : []),
    ...(seed % 8 === 0 ? (['delete many pods'] as const) : []),
  ];
  const program = programOf(random, flags);
  const spanMs = program.name === 'serve' ? 200_000 : 2_000;
  const end = random.chance(0.35)
    ? {
        how: random.one(['kill -9', 'SIGINT', 'SIGINT twice'] as const),
        atMs: random.skewed(spanMs),
      }
    : undefined;
  const faults = Array.from({ length: random.chance(0.04) ? 0 : random.whole(1, 3) }, () =>
    faultOf(random, spanMs),
  );
  return {
    seed,
    program,
    machine: random.one(['healthy', 'faulty'] as const),
    traits: {
      jobControllerMs: random.whole(5, 500),
      containerStartMs: random.whole(50, 3_000),
      collectorMs: random.whole(50, 2_000),
      statusMs: random.whole(5, 800),
      suspendsJobs: random.chance(0.04),
      imageFails: random.chance(0.04),
      lacks: random.chance(0.06) ? '/run/log' : undefined,
      isOlder: seed % 3 === 0,
    },
    denied,
    latencyMs: random.one([0.2, 5, 30, 150]),
    slowMs: random.one([800, 4_000, 12_000, 29_000, 45_000]),
    faults,
    end,
  };
}

/** The nodes of `triage --fleet`; all else is about the first alone. */
export const FLEET_NODES = ['node-a', 'node-b', 'node-c'];

function programOf(random: Random, flags: readonly string[]): Program {
  const kind = random.next();
  if (kind < 0.3) return { name: 'triage', flags };
  if (kind < 0.45) return { name: 'fleet', flags };
  if (kind < 0.48) return { name: 'nodes', flags: [] };
  if (kind < 0.53) return { name: 'clean', flags: [] };
  const gapsMs = Array.from({ length: random.whole(1, 3) }, () =>
    random.one([0, 500, 5_000, 45_000, 150_000]),
  );
  const eager = random.chance(0.2) ? ['--eager'] : [];
  return { name: 'serve', flags: [...flags, ...eager], gapsMs };
}

function faultOf(random: Random, spanMs: number): Fault {
  const kind = random.next();
  if (kind < 0.5) {
    const of = random.one(REQUEST_KINDS);
    return {
      on: 'request',
      of,
      nth: 1 + random.skewed(of === 'any' ? 20 : 5),
      times: random.one([1, 1, 1, 2, 4, 50]),
      what: random.chance(0.5) ? random.one(REQUEST_FAULTS) : random.one(REFUSAL_NAMES),
    };
  }
  if (kind < 0.65)
    return { on: 'stream', nth: 1 + random.skewed(8), what: random.one(STREAM_FAULTS) };
  return {
    on: 'time',
    atMs: random.skewed(spanMs),
    forMs: random.one([50, 900, 4_001, 20_000, 90_000, 200_001]),
    what: random.one(TIME_FAULTS),
  };
}

export function describePlan(plan: Plan): readonly string[] {
  const { program, traits } = plan;
  const gaps = program.name === 'serve' ? `, pauses of ${program.gapsMs.join(', ')} ms` : '';
  return [
    `seed ${plan.seed}: ${program.name} ${program.flags.join(' ')}${gaps}`,
    `  a ${plan.machine} machine; one way takes ${plan.latencyMs} ms, a slow answer ${plan.slowMs} ms`,
    `  ${JSON.stringify(traits)}`,
    ...(plan.denied.length > 0 ? [`  the user may not ${plan.denied.join(', ')}`] : []),
    ...(plan.end ? [`  ${plan.end.how} at ${plan.end.atMs} ms`] : []),
    ...plan.faults.map(fault => `  fault: ${textOf(fault)}`),
  ];
}
