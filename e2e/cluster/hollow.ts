import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdir, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { env, pid } from 'node:process';
import { VERSION } from '../../src/contract/version.ts';
import { rowOf, triageOf } from '../../test/cli/fleet.ts';
import { logTail, run, TestClusterError, waitUntil } from './command.ts';
import { writeCertificate } from './kubeconfig.ts';
import { HOST_ADDRESS } from './network.ts';
import { programs } from './parts.ts';
import { daemonOf, isAlive, startRecorded } from './processes.ts';
import { type ClusterState, foldersOf, readState } from './state.ts';

const MODULE = join(import.meta.dirname, 'go/kubernetes');
const BUILD_SECONDS_MAX = 1_200;
const NODES_SECONDS_MAX = 180;

/** What selects them. */
export const HOLLOW_LABEL = 'gpu-mcp/hollow=true';

export interface HollowNodes {
  /** Ends their kubelet and deletes them. */
  stop(): Promise<void>;
}

/**
 * Nodes that are not there, on the cluster that runs: their kubelet is one program, which says that
 * our pods run and answers an attach with what the agent of a simulated machine says. On the `stuck`
 * last ones no pod comes to run; a tool takes so many seconds.
 */
export async function startHollowNodes(
  count: number,
  {
    stuck = 0,
    answerSeconds = 0,
    machine = 'dgx-h100',
  }: { stuck?: number; answerSeconds?: number; machine?: string } = {},
): Promise<HollowNodes> {
  const state = readState();
  if (!state) throw new TestClusterError('There is no cluster for hollow nodes.');
  const { pki, logs } = foldersOf(state.folder);
  const program = await builtProgram(state);
  const kubeconfig = join(pki, 'admin.kubeconfig');
  const agent = join(state.folder, 'hollow-agent.json');
  writeFileSync(agent, JSON.stringify(await agentAnswers(machine)));
  writeCertificate(pki, 'hollow', { commonName: 'hollow', addresses: [HOST_ADDRESS] });
  const log = join(logs, 'hollow.log');
  writeFileSync(log, '');
  const record = await startRecorded({
    id: state.id,
    name: 'hollow',
    argv: [
      program,
      `--kubeconfig=${kubeconfig}`,
      ...[`--address=${HOST_ADDRESS}`, `--agent=${agent}`],
      ...[`--certificate=${pki}/hollow.crt`, `--key=${pki}/hollow.key`],
      ...[`--nodes=${count}`, `--stuck=${stuck}`, `--answer=${answerSeconds}s`],
    ],
    log,
  });
  const kubectl = (...args: string[]) =>
    run([programs(state.partsFolder).kubectl, '--kubeconfig', kubeconfig, ...args], {
      secondsMax: NODES_SECONDS_MAX,
    });
  const stop = async () => {
    await daemonOf(state.id, 'hollow').stop();
    // One request each: kubectl deletes what it selects one by one.
    const those = `labelSelector=${encodeURIComponent(HOLLOW_LABEL)}`;
    const leases = '/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases';
    for (const path of ['/api/v1/nodes', leases]) {
      await kubectl('delete', '--raw', `${path}?${those}`);
    }
  };
  try {
    await waitUntil({
      what: `The ${count} hollow nodes`,
      ready: () => readFileSync(log, 'utf8').includes('ready'),
      failed: () => (isAlive(record) ? undefined : `their kubelet has ended.${logTail(log)}`),
      secondsMax: NODES_SECONDS_MAX,
      log,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { stop };
}

/** Built once of each source, beside the parts of the cluster. */
async function builtProgram({ partsFolder }: ClusterState): Promise<string> {
  const recipe = createHash('sha256');
  for (const file of ['hollow/main.go', 'go.mod', 'go.sum']) {
    recipe.update(readFileSync(join(MODULE, file)));
  }
  const folder = join(dirname(partsFolder), `hollow-${recipe.digest('hex').slice(0, 16)}`);
  const program = join(folder, 'hollow');
  if (existsSync(program)) return program;
  await mkdir(folder, { recursive: true });
  const partial = `${program}.partial-${pid}`;
  const flags = ['-trimpath', '-buildvcs=false', '-mod=readonly', '-ldflags=-s -w'];
  await run(['go', 'build', ...flags, '-o', partial, './hollow'], {
    cwd: MODULE,
    env: { ...env, GOFLAGS: '', GOWORK: 'off', CGO_ENABLED: '0' },
    secondsMax: BUILD_SECONDS_MAX,
  });
  await rename(partial, program);
  return program;
}

const agentAnswers = async (machine: string) => ({
  initialize: {
    protocolVersion: '2025-11-25',
    capabilities: { tools: {} },
    serverInfo: { name: 'gpu-mcp-agent', version: VERSION },
  },
  tools: { triage_gpu_node: await triageOf(machine) },
  row: await rowOf(machine),
});
