import type { ContainerEnd } from '../../contract/cluster-view.ts';
import type { Blame } from '../../contract/finding.ts';

interface Meaning {
  readonly fault: Blame;
  readonly text: string;
  readonly advice: string;
}

/** signal(7): what usually sends each to a GPU program. 128 + n is how a shell tells signal n. */
const SIGNALS: Readonly<Record<number, Omit<Meaning, 'text'> & { readonly name: string }>> = {
  4: { name: 'SIGILL', fault: 'application', advice: 'Built for another CPU? Check the image.' },
  6: {
    name: 'SIGABRT',
    fault: 'application',
    advice: 'The program gave up itself; its last lines say why: kubectl logs --previous.',
  },
  7: {
    name: 'SIGBUS',
    fault: 'configuration',
    advice: 'Often /dev/shm is too small for its workers: mount a memory emptyDir there.',
  },
  8: {
    name: 'SIGFPE',
    fault: 'application',
    advice: 'A fault of the program: see its last lines.',
  },
  9: {
    name: 'SIGKILL',
    fault: 'unknown',
    advice: 'Killed from outside: see the events for a probe, a deletion or memory pressure.',
  },
  11: {
    name: 'SIGSEGV',
    fault: 'application',
    advice: 'A fault of the program or a library of it: take a core dump or see its last lines.',
  },
  15: {
    name: 'SIGTERM',
    fault: 'unknown',
    advice: 'Asked to stop: see the events for who did: a rollout, a drain, a preemption.',
  },
};

/** What an exit code or signal says of whose fault it is, without anything else known. */
export function exitMeaning({ exitCode, signal }: ContainerEnd): Meaning {
  const number = signal ?? (exitCode > 128 && exitCode < 160 ? exitCode - 128 : undefined);
  const known = number === undefined ? undefined : SIGNALS[number];
  if (known) {
    const { name, fault, advice } = known;
    return { fault, advice, text: `it ended by ${name} (exit code ${exitCode})` };
  }
  if (exitCode === 126 || exitCode === 127) {
    return {
      fault: 'configuration',
      text: `its command could not be run (exit code ${exitCode})`,
      advice: 'Check the command and the image.',
    };
  }
  return {
    fault: 'application',
    text: `the program ended itself with exit code ${exitCode}`,
    advice: 'Read its last lines: kubectl logs --previous.',
  };
}
