import { resolve } from 'node:path';
import type { Session } from '../session/port.ts';
import { simulatedCluster } from '../simulation/cluster.ts';
import { MACHINES } from '../simulation/machine.ts';
import { isMachineFile, machineOf } from '../simulation/machine-file.ts';
import { childSession, type SessionOptions } from './sessions.ts';

/**
 * A session with a machine made of data, by its name or its file: the agent on this machine answers
 * for it, and where it is in a cluster, what that says of it. It never goes to a node.
 *
 * @throws UsageError before anything is started.
 */
export function simulatedSession(word: string, options: SessionOptions): Session {
  const machine = machineOf(word);
  const file = isMachineFile(word) ? resolve(word) : word;
  const session = {
    ...childSession(machine.name, ['--simulate', file], options),
    commandWords: { connection: [], namespace: [], instead: [`--simulate=${word}`] },
  };
  const clusterView = simulatedCluster(machine, options.io.clock);
  const viewing = clusterView
    ? {
        ...session,
        clusterView: async ({ logs, ...question }: Parameters<typeof clusterView>[0]) =>
          clusterView({ ...question, logs: logs && options.args.podLogs }),
      }
    : session;
  return options.redaction?.session(viewing) ?? viewing;
}

/** Every machine that is built in. */
export const machineTitles = () => MACHINES;

/** The same with its story, as a page. */
export function machinesText(columns: number): string {
  const width = Math.max(...MACHINES.map(({ name }) => name.length)) + 2;
  const lines = MACHINES.map(({ name, title }) => wrapped(name, title, { width, columns }));
  return `${lines.join('\n')}\n\n${FILES}\n`;
}

const FILES =
  'Or a machine of your own: --simulate ./FILE.json (docs/simulation.md).\nTry: kubectl gpu-mcp triage --simulate lost-gpu';

function wrapped(
  name: string,
  text: string,
  { width, columns }: { readonly width: number; readonly columns: number },
): string {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.at(-1) ?? '';
    const fits = last === '' || width + last.length + 1 + word.length <= columns;
    if (fits) lines[lines.length - 1] = last === '' ? word : `${last} ${word}`;
    else lines.push(word);
  }
  return `${name.padEnd(width)}${lines.join(`\n${' '.repeat(width)}`)}`;
}
