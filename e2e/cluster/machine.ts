import { geteuid, platform } from 'node:process';
import { run, TestClusterError } from './command.ts';
import { isAlive } from './processes.ts';
import { type ClusterState, readState } from './state.ts';

/** Fails with what is missing where this machine cannot carry a test cluster. */
export async function requireMachine(): Promise<void> {
  if (platform !== 'linux' || geteuid?.() !== 0) {
    throw new TestClusterError(
      'The test cluster needs Linux and root, because it makes namespaces and mounts.',
    );
  }
  const tools = { iproute2: ['ip', '-V'], 'util-linux': ['nsenter', '--version'] };
  for (const [name, argv] of Object.entries(tools)) {
    await run(argv, { hint: `install the Debian package ${name}` });
  }
}

/** The cluster that runs on this machine, not what is left of an earlier one. */
export function runningState(): ClusterState | undefined {
  const state = readState();
  if (!state) return undefined;
  // Without an owner it was started to stay: it is up as long as its API server is.
  const proof = state.owner ?? state.processes['kube-apiserver'];
  return proof && isAlive(proof) ? state : undefined;
}

/** Two clusters at once do not work: they share names and addresses. */
export function refuseSecondCluster(): void {
  const state = runningState();
  if (!state) return;
  const whose = state.owner ? `of process ${state.owner.pid}` : 'started by `main.ts up`';
  const message = `A test cluster ${whose} runs on this machine, and two at once do not work; `;
  throw new TestClusterError(`${message}\`node e2e/cluster/main.ts down\` takes it down.`);
}
