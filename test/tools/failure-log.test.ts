import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import * as z from 'zod';
import type { ClusterView, JobPeer } from '../../src/contract/cluster-view.ts';
import { missing, present } from '../../src/contract/reading.ts';
import { readJobLog } from '../../src/job-log/read-job-log.ts';
import { machineFrom } from '../../src/simulation/machine.ts';
import { explainFailure } from '../../src/tools/catalog/explain-failure.ts';
import { FailureAnswer } from '../../src/tools/support/failure-answer.ts';
import { isSure } from '../../src/tools/support/first-cause.ts';
import { answered } from '../fakes/answers.ts';
import { aContainer, aPod, aView } from '../fakes/cluster-view.ts';
import { instrumentsFor, instrumentsOf } from '../fakes/instruments.ts';

const END = '2026-03-01T12:00:00Z';
/** Of the simulated machine ecc-row-remap. */
const XID_48 = '2026-03-01T11:14:49Z';
const POD = aPod({
  phase: 'Failed',
  containers: [
    aContainer({
      state: 'terminated',
      ended: {
        ...{ exitCode: 1, reason: 'Error', message: '' },
        ...{ startedAt: '2026-03-01T09:00:00Z', finishedAt: END },
      },
    }),
  ],
});

const logOf = (...lines: string[]) =>
  readJobLog({
    ...{ container: 'main', previous: false, requests: 1, bytes: 100, cut: false },
    text: `${lines.join('\n')}\n`,
  });

async function explained(
  changed: Partial<ClusterView>,
  machine = 'dgx-h100',
  pod = POD,
  sharedMemoryMib?: { readonly size: number; readonly used: number },
): Promise<FailureAnswer & { text: string }> {
  const input = { pod: pod.name, namespace: pod.namespace };
  const { name, namespace } = pod;
  const running = { name, namespace, gpus: [3], sees: { sharedMemoryMib } };
  const instruments = sharedMemoryMib
    ? instrumentsFor(machineFrom('full', { like: machine, pods: [running] }))
    : instrumentsOf(machine);
  const alone = await answered(explainFailure, input, instruments);
  const joined = alone.joined(aView({ pod: present(pod), podEvents: present([]), ...changed }));
  expect(joined.text).not.toMatch(/undefined|null|\[object/);
  return { ...FailureAnswer.parse(joined.structured), text: joined.text };
}

const withLog = (...lines: string[]) => ({ log: present(logOf(...lines)) });
const peer = (pod: string, log: JobPeer['log'], finishedAt = '2026-03-01T11:50:00Z'): JobPeer => ({
  ...{ pod, node: 'gpu-7', exitCode: 1, reason: 'Error', finishedAt, log },
});
const job = (...peers: JobPeer[]) => ({
  job: present({ name: 'JobSet/train', pods: 4, failed: peers.length + 1, peers }),
});
const WAITED =
  '2026-03-01T11:59:59Z [rank0]:[E810 1:1:1.0 ProcessGroupNCCL.cpp:632] [Rank 0] Watchdog caught collective operation timeout: WorkNCCL(SeqNum=7, OpType=ALLREDUCE, NumelIn=1, NumelOut=1, Timeout(ms)=600000) ran for 600003 milliseconds before timing out.';

describe('explain_failure with the log of the job', () => {
  test('an error of the program, where the kernel log covers the run, is its own for sure', async () => {
    const answer = await explained(withLog('2026-03-01T11:59:58Z [rank3]: ValueError: bad token'));
    expect(answer).toMatchObject({
      fault: 'application',
      confidence: 'high',
      action: 'restart_app',
    });
    expect(answer.why[0]).toBe(
      'the first error of its log: Exception ValueError at 2026-03-01T11:59:58Z, rank 3 ("ValueError: bad token")',
    );
    expect(answer.why.filter(text => text.includes('bad token'))).toHaveLength(1);
    expect(answer.text).toContain('log of container main: 1 line from 2026-03-01T11:59:58Z');
  });

  test('a launcher’s log says of which host a line is, beside it', async () => {
    const said = ['gpu-node-03', 'gpu-node-04', 'gpu-node-03'].map(host => `${host}: step 1`);
    const line = 'gpu-node-03: [rank3]: ValueError: bad token';
    const answer = await explained(withLog(...said, line));
    expect(answer.why[0]).toBe(
      'the first error of its log: Exception ValueError, rank 3 of gpu-node-03 ("ValueError: bad token")',
    );
    expect(answer.log?.entries).toMatchObject([{ ranks: [3], of: 'gpu-node-03' }]);
    expect(answer.text).toContain('cause: Exception ValueError, rank 3 of gpu-node-03: "Value');
    const bare = await explained(withLog(...said, 'gpu-node-03: ValueError: bad token'));
    expect(bare.why[0]).toContain('Exception ValueError, of gpu-node-03 (');
  });

  test.each([
    'RuntimeError: CUDA error: uncorrectable ECC error encountered',
    'RuntimeError: NVRM: Xid (PCI:0000:01:00): 79, GPU has fallen off the bus',
    'RuntimeError: CUDA error: uncorrectable NVLink error detected during the execution',
    'NVML: GPU is lost.  Reboot the system to recover this GPU',
  ])('a fault that only the program tells of is possible, never proven: %s', async line => {
    const answer = await explained(withLog(line));
    expect(answer).toMatchObject({ confidence: 'low', action: 'watch' });
    expect(answer.against).toContain('only the program says so: it is possible, not proven');
  });

  test('a crash stands with the first frame of its stack', async () => {
    const frame = '[ 1] /opt/lib/libnccl.so.2(ncclGroupEnd+0x3f)[0x7f8e]';
    const answer = await explained(withLog('Segmentation fault (core dumped)', frame));
    expect(answer.why[0]).toBe(
      'the first error of its log: Program crashed ("Segmentation fault (core dumped)", in its stack ncclGroupEnd in libnccl.so.2)',
    );
    expect(answer.log?.entries).toMatchObject([{ frame: 'ncclGroupEnd in libnccl.so.2' }]);
    expect(answer.text).toContain(
      'cause: Program crashed: "Segmentation fault (core dumped)", in its stack nccl',
    );
  });

  test.each([
    ['RuntimeError: Detected mismatch between collectives on ranks. Rank 1 is running …', true],
    [
      'RuntimeError: All tensor operands to scatter/gather must have the same number of elements',
      true,
    ],
    ['MPI_ERR_TRUNCATE: message truncated', true],
    [
      'n1:1:1 [0] misc/socket.cc:1 NCCL WARN Message truncated : received 8 bytes instead of 4',
      false,
    ],
    [
      'RuntimeError: [gloo/transport/tcp/pair.cc:446] op.preamble.length <= op.nbytes. 8 vs 4',
      false,
    ],
  ])('what a rank says of its own call is sure, what a peer sent is not: %s', (line, sure) => {
    const [cause] = logOf(line).entries;
    expect(cause && { layer: cause.layer, sure: isSure(cause) }).toEqual({
      ...{ layer: 'application', sure },
    });
  });

  test('an incident of its GPUs decides, and the log stands beside it', async () => {
    const line = 'RuntimeError: CUDA error: uncorrectable ECC error encountered';
    const answer = await explained(withLog(line), 'lost-gpu');
    expect(answer).toMatchObject({ fault: 'hardware', confidence: 'high' });
    expect(answer.why.some(text => text.startsWith('its log says: '))).toBe(true);
  });

  test('an error of the program long before the incident speaks against it', async () => {
    const early = '2026-03-01T10:00:00Z ValueError: bad token';
    const answer = await explained(withLog(early), 'lost-gpu');
    expect(answer.fault).toBe('hardware');
    expect(answer.against).toContain('its log names a cause of its own before that');
  });

  test('its own words outweigh an incident of a GPU that may not be its own', async () => {
    const pod = { ...POD, gpus: { 'nvidia.com/gpu': 1 } };
    const log = withLog('2026-03-01T11:59:58Z ValueError: bad token');
    expect(await explained(log, 'lost-gpu', pod)).toMatchObject({
      fault: 'application',
      confidence: 'medium',
    });
  });

  describe('of whose GPUs nobody knows', () => {
    const at = (offsetS: number) => new Date(Date.parse(XID_48) + offsetS * 1_000).toISOString();
    /** One GPU of eight, and its end so long after the XID. */
    const endedAfter = (seconds: number) => ({
      ...{ ...POD, gpus: { 'nvidia.com/gpu': 1 } },
      containers: [
        aContainer({
          state: 'terminated',
          ended: {
            ...{ exitCode: 1, reason: 'Error', message: '' },
            ...{ startedAt: at(-36_000), finishedAt: at(seconds) },
          },
        }),
      ],
    });
    const noise = `${at(-36_000)} cat: /etc/nccl.conf: No such file or directory`;
    const work = Array.from({ length: 20 }, (_, index) => `${at(-30_000 + index)} epoch ${index}`);
    const judged = (seconds: number, ...lines: string[]) =>
      explained(withLog(...lines), 'ecc-row-remap', endedAfter(seconds));

    test.each([
      [
        'the program’s word for it',
        'medium',
        'RuntimeError: CUDA error: uncorrectable ECC error encountered',
      ],
      ['no word', 'low', 'epoch 20'],
      ['an error long before', 'low', 'epoch 20', `${at(-3_000)} ValueError: bad token`],
    ])(
      'a critical incident as it ended outweighs noise of the start, with %s',
      async (_, confidence, last, ...early) => {
        const answer = await judged(5, noise, ...work, ...early, `${at(1)} ${last}`);
        expect(answer).toMatchObject({ fault: 'hardware', confidence });
        expect(answer.why[0]).toContain(', while the container ran');
        expect(answer.why.join()).not.toContain('no incident');
      },
    );

    test('the program’s own error of that moment outweighs it, and the incident is told', async () => {
      const answer = await judged(5, ...work, `${at(4)} ValueError: bad token`);
      expect(answer).toMatchObject({ fault: 'application', confidence: 'medium' });
      expect(answer.why[1]).toBe('1 incident on its node, whose GPUs they were is not known');
    });

    test('an incident hours before its end does not', async () => {
      const answer = await judged(7_200, `${at(3_000)} ValueError: bad token`);
      expect(answer.fault).toBe('application');
      const alone = await explained(withLog('ValueError: x'), 'dgx-h100', endedAfter(5));
      expect(alone.why[1]).toBe('no incident of the GPUs of its node was found');
    });
  });

  describe('NCCL’s lines in its log', () => {
    const at = (offsetS: number) => new Date(Date.parse(XID_48) + offsetS * 1_000).toISOString();
    const nccl = (rank: number, bus: string, host = 'train-0') =>
      `${at(-9_000)} ${host}:9:${rank} [0] NCCL INFO comm 0x1 rank ${rank} nranks 16 cudaDev 0 nvmlDev 0 busId ${bus} commId 0x2 - Init COMPLETE`;
    const endedAt = (seconds: number) => ({
      ...{ ...POD, name: 'train-0', gpus: { 'nvidia.com/gpu': 1 } },
      containers: [
        aContainer({
          state: 'terminated',
          ended: {
            ...{ exitCode: 1, reason: 'Error', message: '' },
            ...{ startedAt: at(-36_000), finishedAt: at(seconds) },
          },
        }),
      ],
    });
    const judged = (...lines: string[]) =>
      explained(withLog(...lines), 'ecc-row-remap', endedAt(5));
    const STRUCK = '0f000';

    test.each(['epoch 9', 'RuntimeError: CUDA error: an illegal memory access was encountered'])(
      'and a critical incident there as it ended are two that say the same: %s',
      async words => {
        const own = await judged(nccl(11, STRUCK), `${at(1)} [rank11]: ${words}`);
        expect(own).toMatchObject({ fault: 'hardware', confidence: 'medium' });
        expect(own.why).toContain('GPU 0000:0f:00 is that of rank 11, by NCCL’s lines in its log');
        expect(own.against).toContain('that it computes on this GPU only its own log says');
      },
    );

    test('make no incident its own where its program names another cause', async () => {
      const own = await judged(nccl(11, STRUCK), `${at(1)} [rank11]: ValueError: bad token`);
      expect(own).toMatchObject({
        ...{ fault: 'application', confidence: 'medium', action: 'restart_app' },
      });
      expect(own.why[1]).toBe('1 incident on its node, whose GPUs they were is not known');
      // Where the rank is, is told all the same.
      expect(own.why).toContain('GPU 0000:0f:00 is that of rank 11, by NCCL’s lines in its log');
      expect(own.log?.devices).toEqual([{ rank: 11, host: 'train-0', pci: '0000:0f:00' }]);
    });

    test('make none its own that was hours before its end', async () => {
      const own = await judged(nccl(11, STRUCK), `${at(1)} epoch 9`);
      const late = await explained(
        withLog(nccl(11, STRUCK), `${at(7_000)} epoch 9`),
        'ecc-row-remap',
        endedAt(7_200),
      );
      expect(own.confidence).toBe('medium');
      expect(late).toMatchObject({ fault: 'hardware', confidence: 'low' });
    });

    test.each([
      ['of another GPU', nccl(11, '1b000')],
      ['of another host, as a launcher has them', nccl(11, STRUCK, 'train-7')],
    ])('%s prove nothing of it', async (_, line) => {
      const other = await judged(line, `${at(1)} epoch 9`);
      expect(other).toMatchObject({ fault: 'hardware', confidence: 'low' });
      expect(other.why.join()).not.toContain('is that of rank');
    });

    test('say where the rank computes that spoke first', async () => {
      const { why } = await judged(nccl(3, '1b000'), `${at(4)} [rank3]: ValueError: bad token`);
      expect(why).toContain('rank 3 computes on GPU 0000:1b:00, by NCCL’s lines in its log');
    });
  });

  test.each([
    ["requests: HTTPSConnectionPool(host='hub', port=443): Read timed out.", 'way out'],
    ['RuntimeError: CUDA error: uncorrectable ECC error encountered', 'only the driver'],
  ])('the advice goes with what is blamed: %s', async (line, words) => {
    expect((await explained(withLog(line))).advice).toContain(words);
  });

  test('where another pod was first, that one is named, with its node', async () => {
    const began = logOf('2026-03-01T11:49:50Z [rank6]: ValueError: bad token');
    const answer = await explained({ ...withLog(WAITED), ...job(peer('train-3', present(began))) });
    expect(answer).toMatchObject({ fault: 'application', confidence: 'medium' });
    expect(answer.advice).toContain('pod train-3: ask node gpu-7');
    expect(answer.began).toEqual({ pod: 'train-3', node: 'gpu-7' });
    // Whom it waited for, and who ended first, is said by that.
    expect(answer.why.filter(text => text.includes('ranks waited'))).toEqual([]);
    expect(answer.against).toEqual([]);
    expect(answer.job?.peers[0]).toMatchObject({ pod: 'train-3', first: { role: 'cause' } });
    expect(answer.text).toContain('JobSet/train: 4 pods, 2 failed');
  });

  test('a hardware word of another pod makes no hardware fault here', async () => {
    const began = logOf(
      '2026-03-01T11:49:50Z RuntimeError: CUDA error: uncorrectable ECC error encountered',
    );
    const answer = await explained({ ...withLog(WAITED), ...job(peer('train-3', present(began))) });
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low', action: 'watch' });
    expect(answer.advice).toContain('gpu-7');
  });

  test('a cause of its own is kept where the other one came later', async () => {
    const later = logOf('2026-03-01T11:59:59Z ValueError: other');
    const own = withLog('2026-03-01T11:50:00Z MemoryError');
    const answer = await explained({ ...own, ...job(peer('train-3', present(later), END)) });
    expect(answer.why[0]).toContain('Killed for the memory of the host');
  });

  test.each([
    ['a sure one of another pod half a second later is', "KeyError: 'x'", '50.500', true],
    ['one by form of another pod some seconds earlier is not', 'MemoryError', '47.000', false],
    ['one by form of another pod long before is', 'MemoryError', '30.000', true],
    ['a sure one of another pod long after is not', "KeyError: 'x'", '57.000', false],
  ])('where it began: %s', async (_, own, second, isPeer) => {
    const theirs = own === 'MemoryError' ? "KeyError: 'x'" : 'MemoryError';
    const said = logOf(`2026-03-01T11:59:${second}Z ${theirs}`);
    const answer = await explained({
      ...withLog(`2026-03-01T11:59:50Z ${own}`),
      ...job(peer('train-3', present(said), END)),
    });
    expect(answer.advice.includes('train-3'), answer.why.join()).toBe(isPeer);
  });

  test('what another pod says after our end did not end us', async () => {
    const later = logOf('2026-03-01T12:10:00Z ValueError: other');
    const answer = await explained({ ...withLog(WAITED), ...job(peer('train-3', present(later))) });
    expect(answer.advice).not.toContain('train-3');
  });

  test('only consequences: nothing is blamed, and who ended first is told', async () => {
    const answer = await explained({
      ...withLog(WAITED),
      ...job(peer('train-3', missing('no_permission'))),
    });
    expect(answer).toMatchObject({ fault: 'unknown', confidence: 'low', action: 'watch' });
    expect(answer.why).toContain(
      '1 ranks waited 600 s in ALLREDUCE; which rank they waited for the log does not tell',
    );
    expect(answer.against[0]).toContain('train-3 on node gpu-7 ended first');
    expect(answer.text).toContain('log not read (no_permission)');
  });

  describe('a full /dev/shm', () => {
    const UNABLE =
      '2026-03-01T11:59:58Z RuntimeError: unable to open shared memory object </torch_77_1> in read-write mode: No space left on device (28)';
    const FULL = 'its /dev/shm of 64 MiB is full';
    const bus = (over: object = {}) => ({
      ...POD,
      containers: [
        aContainer({
          state: 'terminated',
          ended: {
            ...{ exitCode: 135, reason: 'Error', message: '' },
            ...{ startedAt: '2026-03-01T09:00:00Z', finishedAt: END, ...over },
          },
        }),
      ],
    });
    const told = async (log: Partial<ClusterView>, usedMib = 63, pod = POD, machine = 'dgx-h100') =>
      explained(log, machine, pod, { size: 64, used: usedMib });

    test('is joined with the words of the log, and blamed on the pod’s settings', async () => {
      const answer = await told(withLog(UNABLE));
      expect(answer).toMatchObject({ fault: 'configuration', confidence: 'high' });
      expect(answer.why[0]).toContain(FULL);
      expect(answer.why[1]).toContain('unable to open shared memory object');
      expect(answer.why.filter(text => text.includes('unable to open'))).toHaveLength(1);
      expect(answer.advice).toContain('Create the pod anew');
    });

    test('beside a line that names no path, a disk is not ruled out', async () => {
      const answer = await told(withLog('OSError: [Errno 28] No space left on device'));
      expect(answer).toMatchObject({ fault: 'configuration', confidence: 'medium' });
      expect(answer.against[0]).toContain('a disk may be full');
    });

    test.each([
      ['a bus error of NCCL', withLog('Fatal Python error: Bus error')],
      ['SIGBUS and a silent log', withLog('step 1')],
      ['SIGBUS and no log', {}],
    ])('explains %s', async (_, log) => {
      const answer = await told(log, 63, bus());
      expect(answer).toMatchObject({ fault: 'configuration', confidence: 'high' });
      expect(answer.why[0]).toContain(FULL);
    });

    test('explains no other end', async () => {
      expect(await told(withLog('ValueError: bad token'))).toMatchObject({ fault: 'application' });
      expect((await told(withLog('ValueError: bad token'), 63, bus())).why[0]).not.toContain(FULL);
      const ended = bus({ exitCode: 139 });
      expect((await told({}, 63, ended)).why[0]).not.toContain(FULL);
    });

    test('that is not full is not named; the log still says what it says', async () => {
      const answer = await told(withLog(UNABLE), 12);
      expect(answer).toMatchObject({ fault: 'configuration' });
      expect(answer.text).not.toContain(FULL);
    });

    test('speaks for no machine, and against none that failed', async () => {
      const lost = await told(withLog(UNABLE), 63, POD, 'lost-gpu');
      expect(lost.fault).toBe('hardware');
    });
  });

  test.each([
    [
      'NCCL RAS got no answer of rank 5',
      [
        ...[
          'Group Comms Nodes Ranks Ranks Ranks Status Errors',
          '0 1 1 7-8 8 8 RUNNING INCOMPLETE',
        ],
        ...['#0-0 (cf264af53edbe986) INCOMPLETE', '  The missing rank: 5'],
      ],
    ],
    [
      'by NCCL RAS rank 3 stood still with fewer AllReduce than the others',
      [1, 2].flatMap(() => [
        ...['Group Comms Nodes Ranks Ranks Ranks Status Errors', '0 1 1 8 8 8 RUNNING MISMATCH'],
        ...['#0-0 (cf264af53edbe986) MISMATCH'],
        '  Communicator ranks have different AllReduce operation counts',
        '  7 ranks have launched up to operation 912',
        '  Rank 3 has launched up to operation 911 -- GPU 3 managed by process 7203 on node 10.0.4.2',
      ]),
    ],
    [
      'by the flight recorder the ranks waited in all_reduce for rank 1',
      [
        'Not all ranks joining collective, sequence number: 5',
        ...['group info: 0:default_pg', 'collective: nccl:all_reduce', 'missing ranks: {1}'],
      ],
    ],
  ])('%s', async (words, lines) => {
    const answer = await explained(withLog(WAITED, ...lines));
    expect(answer.why).toContain(words);
    expect(answer.log?.wait?.behind).toHaveLength(1);
    expect(answer.fault).not.toBe('hardware');
  });

  test('a log that was not read is named', async () => {
    const answer = await explained({ log: missing('no_permission', 'pods/log') });
    expect(answer.unavailable).toEqual({ no_permission: ['log'] });
    expect(answer.text).toContain('cluster: log not read (no_permission)');
  });

  test('no log makes a machine guilty for sure, and none makes it act on one', async () => {
    const Cases = z.array(z.looseObject({ log: z.array(z.string()) }));
    const file = new URL('../job-log/cases.json', import.meta.url);
    for (const { log } of Cases.parse(JSON.parse(readFileSync(file, 'utf8')))) {
      const { fault, confidence, action } = await explained(withLog(...log));
      if (['hardware', 'driver', 'fabric'].includes(fault)) {
        expect({ confidence, action }, log.join('\n')).toEqual({
          confidence: 'low',
          action: 'watch',
        });
      }
    }
  });

  test('what failed on the network is possible, and not where another pod names a cause', async () => {
    const refused =
      '2026-03-01T11:59:00Z ssh: connect to host 10.0.0.7 port 22: Connection refused';
    expect(await explained(withLog(refused))).toMatchObject({
      ...{ fault: 'fabric', confidence: 'low', action: 'watch' },
      against: expect.arrayContaining(['only the program says so: it is possible, not proven']),
    });
    const other = peer('train-1', present(logOf('2026-03-01T11:59:30Z ValueError: bad token')));
    const joined = await explained({ ...withLog(refused), ...job(other) });
    expect(joined).toMatchObject({ fault: 'application' });
    expect(joined.advice).toContain('It began in pod train-1');
    const silent = await explained({
      ...withLog(refused),
      ...job(peer('train-1', present(logOf(refused)))),
    });
    expect(silent.advice).not.toContain('It began in pod');
  });

  test('an error of which only the form is known is quoted and blames nobody', async () => {
    const answer = await explained(
      withLog('2026-03-01T11:59:00Z error: shard 7 failed its checksum'),
    );
    const before = await explained(withLog('2026-03-01T11:59:00Z step 7'));
    expect(answer.fault).toBe(before.fault);
    expect(answer.why.join()).toContain('shard 7 failed its checksum');
  });
});
