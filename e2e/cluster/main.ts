import { argv, exit, stderr, stdout } from 'node:process';
import { buildParts } from './build.ts';
import { openCluster, residue, startCluster, stopCluster, TestClusterError } from './cluster.ts';

const USAGE = 'Usage: node e2e/cluster/main.ts build [--older] | up [--older] | down | status\n';

const report = (line: string): void => {
  stderr.write(`${line}\n`);
};

async function main(command: string | undefined, flag: string | undefined): Promise<number> {
  const kubernetes = flag === '--older' ? 'older' : 'present';
  switch (command) {
    case 'build':
      stdout.write(`${await buildParts(report, kubernetes)}\n`);
      return 0;
    case 'up': {
      const { kubeconfig } = await startCluster({ lifetime: 'detached', kubernetes, report });
      stdout.write(`${kubeconfig}\n`);
      return 0;
    }
    case 'down':
      await stopCluster();
      return status();
    case 'status':
      return status();
    default:
      stderr.write(USAGE);
      return 2;
  }
}

function status(): number {
  const cluster = openCluster();
  if (!cluster) {
    const left = residue();
    stdout.write(left.length === 0 ? 'no cluster, nothing left\n' : `${left.join('\n')}\n`);
    return left.length === 0 ? 0 : 1;
  }
  const { kubeconfig, kubectl, logs, nodes } = cluster;
  const rows = [`KUBECONFIG=${kubeconfig}`, `kubectl ${kubectl}`, `logs ${logs}`];
  rows.push(...nodes.map(({ name, root, address }) => `${name} ${address} ${root}`));
  stdout.write(`${rows.join('\n')}\n`);
  return 0;
}

try {
  exit(await main(argv[2], argv[3]));
} catch (error) {
  if (!(error instanceof TestClusterError)) throw error;
  stderr.write(`${error.message}\n`);
  exit(1);
}
