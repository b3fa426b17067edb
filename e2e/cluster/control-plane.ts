import { join } from 'node:path';
import { logTail, succeeds, waitUntil } from './command.ts';
import { AUTHORITY_NAME, writeCertificate, writeKubeconfig, writePair } from './kubeconfig.ts';
import { HOST_ADDRESS } from './network.ts';
import { programs } from './parts.ts';
import { isAlive, startRecorded } from './processes.ts';
import { type ClusterState, foldersOf, readState } from './state.ts';
import { createAuthority, createSigningKey } from './x509.ts';

// A loopback address of its own: nobody else's etcd listens there, and no pod reaches it.
const ETCD = 'http://127.77.0.1';
const SERVICE_SUBNET = '10.96.0.0/24';
const SERVICE_ADDRESS = '10.96.0.1';
const READY_SECONDS_MAX = 90;

/** Where the API server listens. */
export const SERVER = `https://${HOST_ADDRESS}:6443`;

/** Makes the authority, the certificates and the kubeconfigs; returns the admin's kubeconfig. */
export function writeIdentities(folder: string): string {
  const { pki } = foldersOf(folder);
  writePair(pki, 'ca', createAuthority(AUTHORITY_NAME));
  const { publicKey, key } = createSigningKey();
  writePair(pki, 'service-account', { certificate: publicKey, key });
  writeCertificate(pki, 'api-server', {
    commonName: 'kube-apiserver',
    dnsNames: ['kubernetes', 'kubernetes.default', 'kubernetes.default.svc', 'localhost'],
    addresses: [HOST_ADDRESS, SERVICE_ADDRESS, '127.0.0.1'],
  });
  writeCertificate(pki, 'kubelet-client', {
    commonName: 'kube-apiserver-kubelet-client',
    organizations: ['system:masters'],
  });
  const name = 'controller-manager';
  const manager = { commonName: 'system:kube-controller-manager' };
  writeKubeconfig({ folder: pki, name, server: SERVER, subject: manager });
  const admin = { commonName: 'admin', organizations: ['system:masters'] };
  return writeKubeconfig({ folder: pki, name: 'admin', server: SERVER, subject: admin });
}

/** Starts etcd and the API server, and waits until it serves. */
export async function startApiServer(state: ClusterState, kubeconfig: string): Promise<void> {
  const { id, folder } = state;
  const { etcd, apiServer } = programs(state.partsFolder);
  const { logs, etcd: data } = foldersOf(folder);
  const etcdArgv = [etcd, ...etcdFlags(data)];
  await startRecorded({ id, name: 'etcd', argv: etcdArgv, log: join(logs, 'etcd.log') });
  await startRecorded({
    id,
    name: 'kube-apiserver',
    argv: [apiServer, ...apiServerFlags(foldersOf(folder).pki)],
    log: join(logs, 'kube-apiserver.log'),
  });
  await waitForApiServer(state, kubeconfig);
}

/** Waits until the API server says that it is ready. */
export async function waitForApiServer(state: ClusterState, kubeconfig: string): Promise<void> {
  const { kubectl } = programs(state.partsFolder);
  await waitUntil({
    what: 'The API server',
    ready: () => succeeds([kubectl, '--kubeconfig', kubeconfig, 'get', '--raw', '/readyz']),
    failed: () => endedProcess(['etcd', 'kube-apiserver']),
    secondsMax: READY_SECONDS_MAX,
    log: join(foldersOf(state.folder).logs, 'kube-apiserver.log'),
  });
}

/** Starts the controllers: Jobs, TTL after finished, garbage collection, node life cycle, tokens. */
export async function startControllerManager(state: ClusterState): Promise<void> {
  const { controllerManager } = programs(state.partsFolder);
  const { pki, logs } = foldersOf(state.folder);
  await startRecorded({
    id: state.id,
    name: 'kube-controller-manager',
    argv: [controllerManager, ...controllerManagerFlags(pki, state.nodeGraceSeconds)],
    log: join(logs, 'kube-controller-manager.log'),
  });
}

/** A sentence about the first of these recorded programs that has ended, with its last words. */
export function endedProcess(names: readonly string[]): string | undefined {
  const processes = readState()?.processes;
  if (!processes) return 'it was taken down.';
  for (const name of names) {
    const record = processes[name];
    if (record && !isAlive(record)) return `${name} has ended.${logTail(record.log)}`;
  }
  return undefined;
}

function etcdFlags(data: string): string[] {
  return [
    `--data-dir=${data}`,
    `--listen-client-urls=${ETCD}:2379`,
    `--advertise-client-urls=${ETCD}:2379`,
    `--listen-peer-urls=${ETCD}:2380`,
    `--initial-advertise-peer-urls=${ETCD}:2380`,
    `--initial-cluster=default=${ETCD}:2380`,
    // The data is thrown away at the end: no need to wait for the disk.
    '--unsafe-no-fsync',
    '--log-level=warn',
  ];
}

function apiServerFlags(pki: string): string[] {
  return [
    `--etcd-servers=${ETCD}:2379`,
    `--bind-address=${HOST_ADDRESS}`,
    `--advertise-address=${HOST_ADDRESS}`,
    '--secure-port=6443',
    `--service-cluster-ip-range=${SERVICE_SUBNET}`,
    '--authorization-mode=Node,RBAC',
    '--enable-admission-plugins=NodeRestriction',
    '--allow-privileged=true',
    `--client-ca-file=${pki}/ca.crt`,
    `--tls-cert-file=${pki}/api-server.crt`,
    `--tls-private-key-file=${pki}/api-server.key`,
    '--kubelet-preferred-address-types=InternalIP',
    `--kubelet-certificate-authority=${pki}/ca.crt`,
    `--kubelet-client-certificate=${pki}/kubelet-client.crt`,
    `--kubelet-client-key=${pki}/kubelet-client.key`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${pki}/service-account.crt`,
    `--service-account-signing-key-file=${pki}/service-account.key`,
  ];
}

function controllerManagerFlags(pki: string, nodeGraceSeconds: number): string[] {
  const kubeconfig = `${pki}/controller-manager.kubeconfig`;
  return [
    `--kubeconfig=${kubeconfig}`,
    `--authentication-kubeconfig=${kubeconfig}`,
    `--authorization-kubeconfig=${kubeconfig}`,
    '--bind-address=127.77.0.1',
    '--controllers=*',
    '--leader-elect=false',
    '--use-service-account-credentials=true',
    `--service-account-private-key-file=${pki}/service-account.key`,
    `--root-ca-file=${pki}/ca.crt`,
    '--node-monitor-period=1s',
    `--node-monitor-grace-period=${nodeGraceSeconds}s`,
  ];
}
