import { expect, test } from 'vitest';
import * as z from 'zod';
import { compareBundles } from '../../src/cli/diff.ts';
import { Action, GpuRef, Severity } from '../../src/contract/finding.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import {
  loadMachine,
  MACHINE_NAMES,
  type Machine,
  machineFrom,
} from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import { captured } from '../bundle/bundles.ts';
import { answered } from '../fakes/answers.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { SCENARIOS } from './index.ts';

// Whoever is asked, a GPU gets one action: two of them at night are none.

const FindingTold = z.object({
  id: z.string(),
  severity: Severity,
  action: Action,
  gpu: GpuRef.optional(),
  gpus: z.array(GpuRef).optional(),
});
const IncidentTold = z.object({
  title: z.string(),
  severity: Severity,
  action: Action,
  blame: z.string(),
  gpu: z.string().nullable(),
  codes: z.array(z.number()),
  over: z.boolean().optional(),
});

const NEEDED: Readonly<Record<string, object>> = {
  explain_xid: { query: '79' },
  explain_failure: { pod: 'train-0' },
};

/** Every finding and incident in an answer, wherever it stands. */
function toldIn(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value.flatMap(toldIn);
  if (typeof value !== 'object' || value === null) return [];
  return [value, ...Object.values(value).flatMap(toldIn)];
}

const keyOf = ({ pci, index }: z.infer<typeof GpuRef>) => pci ?? String(index);

/** What a finding's GPUs are to get, the worst finding first. */
function actionsOf(findings: readonly z.infer<typeof FindingTold>[]) {
  const actions = new Map<string, string>();
  for (const { severity, action, ...about } of findings) {
    if (severity === 'info') continue;
    for (const gpu of about.gpus ?? (about.gpu ? [about.gpu] : [])) {
      if (!actions.has(keyOf(gpu))) actions.set(keyOf(gpu), action);
    }
  }
  return actions;
}

type Tool = (typeof TOOLS)[number];

/** What a tool answers of a machine; a failure is explained of each of its pods, with its cluster. */
async function answersOf(tool: Tool, machine: Machine): Promise<readonly unknown[]> {
  const instruments = () => instrumentsFor(machine);
  const { pods } = machine;
  if (tool.name !== 'explain_failure' || pods.length === 0) {
    return [(await answered(tool, NEEDED[tool.name] ?? {}, instruments())).structured];
  }
  return Promise.all(
    pods.map(async ({ name, namespace }) => {
      const { joined } = await answered(tool, { pod: `${namespace}/${name}` }, instruments());
      const cluster = simulatedCluster(machine, instruments().clock);
      return joined(cluster?.({ pod: { name, namespace } })).structured;
    }),
  );
}

/** What a snapshot of the node says when it is compared with itself. */
async function comparedOf(machine: Machine): Promise<unknown> {
  const bundle = await captured(instrumentsFor(machine));
  const sinceMs = bundle.capturedAtMs - DAY_MS;
  return compareBundles(bundle, bundle, { sinceMs, signal: new AbortController().signal });
}

const DAY_MS = 86_400_000;

async function contradictions(machine: Machine): Promise<readonly string[]> {
  const triage = TOOLS.find(({ name }) => name === 'triage_gpu_node');
  if (!triage) throw new Error('no triage');
  const told = z
    .object({ findings: z.array(FindingTold), nextAction: z.object({ action: z.string() }) })
    .parse((await answersOf(triage, machine))[0]);
  const decided = actionsOf(told.findings);
  const [worst] = told.findings;
  const next =
    worst && worst.severity !== 'info' && worst.action !== told.nextAction.action
      ? [`next ${told.nextAction.action}, worst finding ${worst.action}`]
      : [];
  const others = TOOLS.filter(({ name }) => name !== 'triage_gpu_node' && name !== 'explain_xid');
  const asked = [
    ...others.map(tool => ({ name: tool.name, answer: answersOf(tool, machine) })),
    { name: 'compare_snapshots', answer: comparedOf(machine) },
  ];
  const found = await Promise.all(
    asked.map(async tool => {
      const parts = toldIn(await tool.answer);
      const findings = parts.flatMap(part => FindingTold.safeParse(part).data ?? []);
      const incidents = parts.flatMap(part => IncidentTold.safeParse(part).data ?? []);
      return [
        ...findings.flatMap(({ id, action }) => {
          const same = told.findings.find(other => other.id === id);
          return same && same.action !== action
            ? [`${tool.name}: ${id} ${action}, triage ${same.action}`]
            : [];
        }),
        ...[...actionsOf(findings)].flatMap(([gpu, action]) =>
          decided.get(gpu) === action
            ? []
            : [`${tool.name}: GPU ${gpu} ${action}, triage ${decided.get(gpu)}`],
        ),
        ...incidents.flatMap(({ severity, over, gpu, action, title, blame }) => {
          const wanted = gpu === null ? undefined : decided.get(gpu);
          // What a program did is cured in the program too, where a pod's failure is explained.
          const ofProgram = tool.name === 'explain_failure' && blame === 'application';
          return severity === 'info' || over || ofProgram || !wanted || wanted === action
            ? []
            : [`${tool.name}: ${title} of ${gpu} ${action}, triage ${wanted}`];
        }),
      ];
    }),
  );
  return [...next, ...found.flat()];
}

test.each(MACHINE_NAMES)('%s: every tool gives each GPU the same action', async name => {
  expect(await contradictions(loadMachine(name))).toEqual([]);
});

test.each(SCENARIOS.map(({ name, machine }) => [name, machine] as const))(
  '%s',
  async (name, machine) => {
    expect(await contradictions(machineFrom(name, machine))).toEqual([]);
  },
);
