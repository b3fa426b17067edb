import { reportQuestions } from '../../src/bridge/ask-report.ts';
import type { Answer } from '../../src/contract/answer.ts';
import { type Form, rendered } from '../../src/report/render.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { triageGpuNode } from '../../src/tools/catalog/triage-gpu-node.ts';
import { provenanceOf } from '../../src/tools/instruments.ts';
import { instrumentsFor, machineOf } from './instruments.ts';

const triages = new Map<string, ReturnType<typeof triaged>>();

/** What `triage --simulate NAME` is given to print; asked once, since a machine's time stands still. */
export function triageOf(name: string): ReturnType<typeof triaged> {
  const triage = triages.get(name) ?? triaged(name);
  triages.set(name, triage);
  return triage;
}

async function triaged(name: string) {
  const machine = machineOf(name);
  const instruments = instrumentsFor(machine);
  const question = triageGpuNode.question({});
  const facts = await question.observe(instruments, new AbortController().signal);
  const view = simulatedCluster(machine, instruments.clock)?.(question.ofCluster ?? {});
  const provenance = provenanceOf(instruments);
  const commandWords = { connection: [], namespace: [], instead: [`--simulate=${name}`] };
  return {
    ...question.answer(facts, { provenance, view, commandWords }),
    title: `Triage: ${name}`,
  };
}

const reports = new Map<string, ReturnType<typeof reported>>();

/** The same with all that `-o html` asks beside it; asked once too. */
export function reportOf(name: string): ReturnType<typeof reported> {
  const report = reports.get(name) ?? reported(name);
  reports.set(name, report);
  return report;
}

async function reported(name: string) {
  const machine = machineOf(name);
  const beside: Record<string, Answer> = {};
  for (const question of reportQuestions({})) {
    const instruments = instrumentsFor(machine);
    const facts = await question.observe(instruments, new AbortController().signal);
    const view = simulatedCluster(machine, instruments.clock)?.(question.ofCluster ?? {});
    const sent: unknown = JSON.parse(JSON.stringify(facts));
    const provenance = provenanceOf(instruments);
    beside[question.tool.name] = question.answer(sent, { provenance, view });
  }
  return { ...(await triageOf(name)), beside };
}

/** How it is printed on a terminal of 80 columns without colours. */
export const formOf = (more: Partial<Form> = {}): Form => ({
  format: 'text',
  colour: false,
  width: 80,
  wraps: false,
  details: false,
  ...more,
});

/** The page; how many readings there are changes with each new one, and is no fact for a snapshot. */
export async function pageOf(name: string, more: Partial<Form> = {}): Promise<string> {
  const page = await rendered(await triageOf(name), formOf(more));
  return page.replace(/Read \d+ of \d+ driver readings/, 'Read ... of ... driver readings');
}
