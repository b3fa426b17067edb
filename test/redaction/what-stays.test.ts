import { expect, test } from 'vitest';
import * as z from 'zod';
import { type NameOf, textOf } from '../../src/contract/names-in-text.ts';
import { createNames } from '../../src/redaction/names.ts';
import { redactor } from '../../src/redaction/redacted.ts';
import { read } from '../house/files.ts';
import { PORTS, textsOf } from './texts.ts';

/** Of each kind of text what somebody's own word looks like, and what is everybody's, if anything. */
const WRITTEN: Readonly<Record<Exclude<NameOf, 'nobody'>, readonly string[]>> = {
  process: ['acme-train', 'nvidia-smi'],
  cgroup: ['/acme.slice/acme-train.service', '/kubepods.slice/kubepods-pod1.slice'],
  pod: ['acme-train-0', 'kube-proxy-x7k2p'],
  namespace: ['acme', 'kube-system'],
  container: ['acme', 'kubelet'],
  owner: ['Job/acme-train', 'AcmeTrainJob/acme'],
  claim: ['acme-gpus'],
  pool: ['acme-pool'],
  'label key': ['acme', 'acme.com/team', 'node-role.kubernetes.io/acme', 'nvidia.com/gpu.count'],
  'label value': ['acme', 'NVIDIA-H100-80GB-HBM3', 'p5.48xlarge', 'true'],
  writer: ['acme-controller', 'kubelet'],
  word: ['acme', 'AcmeMaintenance', 'KernelDeadlock'],
  sentence: ['acme has no money left', 'acme: out of memory, exit code 137'],
  refusal: ['acme may not list pods'],
  user: ['ann@acme.com', 'system:node:gpu-1'],
  variable: ['ACME_TOKEN', 'CUDA_VISIBLE_DEVICES'],
  setting: ['acme', '0,1'],
};

const names = createNames('00112233445566778899aabbccddeeff');

test('SECURITY.md lists what stays of each kind of text', async () => {
  const rows = Object.entries(WRITTEN).map(([kind, texts]) => {
    const left = texts.map(text => `\`${text}\` → \`${leaves(kind, text)}\``);
    return `| ${kind} | ${left.join(', ')} |`;
  });
  const table = ['| of | leaves as |', '| --- | --- |', ...rows].join('\n');
  const [begin, end] = ['<!-- names:begin -->', '<!-- names:end -->'];
  const page = read('SECURITY.md');
  const before = page.slice(0, page.indexOf(begin) + begin.length);
  const after = page.slice(page.indexOf(end));
  await expect(`${before}\n${table}\n${after}`).toMatchFileSnapshot('../../SECURITY.md');
});

function leaves(kind: string, text: string): string {
  const of = KINDS.find(known => known === kind);
  if (!of) throw new Error(`there is no kind "${kind}"`);
  const [left = ''] = Object.values(redactor(z.object({ text: textOf(of) }), names)({ text }));
  return left === '' ? 'nothing' : left.replace(/(?<=-)[0-9a-f]{8}$/, '…');
}

const KINDS: readonly NameOf[] = [
  ...(['process', 'cgroup', 'pod', 'namespace', 'container', 'owner', 'claim', 'pool'] as const),
  ...(['label key', 'label value', 'writer', 'word', 'sentence', 'refusal', 'user'] as const),
  ...(['variable', 'setting'] as const),
];

test('every text that stays as it is can be read in a list', async () => {
  const open = Object.entries(PORTS)
    .flatMap(([port, schema]) => textsOf(schema, port))
    .filter(({ mark }) => mark === 'nobody')
    .map(({ path }) => path);
  await expect(`${[...new Set(open)].join('\n')}\n`).toMatchFileSnapshot('texts-that-stay.txt');
});
