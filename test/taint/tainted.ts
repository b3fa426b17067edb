import { load } from 'js-yaml';
import type { ZodType } from 'zod';
import { askSession } from '../../src/bridge/ask-session.ts';
import type { ClusterView } from '../../src/contract/cluster-view.ts';
import { plainData } from '../../src/contract/untrusted.ts';
import { resultOf } from '../../src/mcp/results.ts';
import { rendered } from '../../src/report/render.ts';
import type { Session } from '../../src/session/port.ts';
import { simulatedCluster } from '../../src/simulation/cluster.ts';
import { loadMachine } from '../../src/simulation/machine.ts';
import { TOOLS } from '../../src/tools/index.ts';
import type { Instruments } from '../../src/tools/instruments.ts';
import type { AnyTool } from '../../src/tools/tool.ts';
import { agentSession } from '../fakes/agent-session.ts';
import { instrumentsFor } from '../fakes/instruments.ts';
import { formOf } from '../fakes/pages.ts';
import { PORTS } from '../redaction/texts.ts';
import { escapedFrom, unseenIn, unseenInData, withTexts } from './hostile.ts';

/** Whose words are hostile: the node's and the cluster's, or those of a program in the agent's place. */
export type Liar = 'node' | 'agent';

/** A session with a machine in whose texts everybody writes these words behind the true ones. */
export function taintedSession(name: string, words: string, liar: Liar): Session {
  const spoil = <Data>(schema: ZodType<Data>, data: unknown): Data =>
    schema.parse(withTexts(schema, data, text => text + words));
  const machine = loadMachine(name);
  const kernelLog = machine.kernelLog && {
    ...machine.kernelLog,
    lines: machine.kernelLog.lines.map(line => ({ ...line, text: line.text + words })),
  };
  const plain = instrumentsFor(liar === 'node' && kernelLog ? { ...machine, kernelLog } : machine);
  const session = agentSession(name, liar === 'node' ? spoiled(plain, spoil) : plain);
  const view = simulatedCluster(machine, plain.clock);
  return {
    target: session.target,
    commandWords: { connection: ["--context=a b's"], namespace: ['--namespace=gpu'] },
    start: (signal, onProgress) => session.start(signal, onProgress),
    close: () => session.close(),
    async call(request) {
      const result = await session.call(request);
      const tool = TOOLS.find(each => each.name === request.tool);
      if (liar === 'node' || !tool || result.isError === true) return result;
      const facts = withTexts(tool.output, result.structuredContent, text => text + words);
      return { ...result, structuredContent: Object(facts) };
    },
    ...(view && {
      // What an API server says comes through its gate, as src/cluster/json.ts has it.
      clusterView: async question =>
        PORTS.cluster.parse(plainData(spoil<ClusterView>(PORTS.cluster, view(question)))),
    }),
  };
}

function spoiled(
  instruments: Instruments,
  spoil: <Data>(schema: ZodType<Data>, data: unknown) => Data,
): Instruments {
  const { nvml, host, podHistory } = instruments;
  return {
    ...instruments,
    nvml: { ...nvml, read: async (...asked) => spoil(PORTS.driver, await nvml.read(...asked)) },
    host: {
      read: async (...asked) => spoil(PORTS.host, await host.read(...asked)),
      processOwners: async (...asked) => spoil(PORTS.processes, await host.processOwners(...asked)),
      counters: async (...asked) => spoil(PORTS.counters, await host.counters(...asked)),
      containers: (...asked) => host.containers(...asked),
      containerLogs: async (...asked) =>
        spoil(PORTS['container logs'], await host.containerLogs(...asked)),
    },
    podHistory: {
      read: async (...asked) => spoil(PORTS['pod history'], await podHistory.read(...asked)),
    },
  };
}

const INPUTS: Readonly<Record<string, object>> = {
  sample_gpu_telemetry: { seconds: 1, samples: 2 },
};

/** Tools that a node answers without being told of what. */
export const ASKED: readonly AnyTool[] = TOOLS.filter(
  tool => !tool.isLocal && tool.name !== 'explain_failure',
);

/** What of an answer no reader could see, in each of its forms, and which of its commands do another's will. */
export async function taintsOf(
  session: Session,
  tool: AnyTool,
  liar: Liar,
): Promise<readonly string[]> {
  const { signal } = new AbortController();
  const found: string[] = [];
  const note = (form: string, unseen: readonly string[]) => {
    for (const what of new Set(unseen)) found.push(`${tool.name}, ${form}: ${what}`);
  };
  const question = tool.question({ ...INPUTS[tool.name] });
  let answer: Awaited<ReturnType<typeof askSession>>;
  try {
    answer = await askSession(session, question, {
      signal,
      onProgress: words => note('progress', unseenIn(words)),
    });
  } catch (error) {
    const words = error instanceof Error ? error.message : String(error);
    // An answer that is not of its form is refused, in words of ours.
    return /sent an answer to \w+ that does not fit$/.test(words)
      ? unseenIn(words)
      : [`${tool.name} gave no answer: ${words}`];
  }
  const titled = { ...answer, title: tool.title };
  const as = (more: Parameters<typeof formOf>[0]) => rendered(titled, formOf(more));
  note('text', unseenIn(await as({})));
  note('details', unseenIn(await as({ details: true })));
  note('markdown', unseenIn(await as({ format: 'markdown', details: true })));
  note('html', unseenIn(await as({ format: 'html' })));
  note('json', unseenInData(JSON.parse(await as({ format: 'json' }))));
  note('yaml', unseenInData(load(await as({ format: 'yaml' }))));
  const { content, structuredContent } = resultOf(answer);
  note('MCP', unseenInData(structuredContent));
  for (const part of content) note('MCP text', part.type === 'text' ? unseenIn(part.text) : []);
  // Whoever is the agent writes its commands whole: SECURITY.md says what keeps it ours.
  if (liar === 'node') note('command', escapedFrom([...new Set(commandsIn(answer.structured))]));
  return found;
}

/** Keys of facts that hold what a reader is to run. */
const COMMANDS = /^(?:commands?|check|adminCommands)$/;

function commandsIn(data: unknown, key = ''): readonly string[] {
  if (typeof data === 'string') return COMMANDS.test(key) ? [data] : [];
  if (typeof data !== 'object' || data === null) return [];
  return Object.entries(data).flatMap(([name, part]) =>
    commandsIn(part, Array.isArray(data) ? key : name),
  );
}
