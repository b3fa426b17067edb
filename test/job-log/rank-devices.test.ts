import { expect, test } from 'vitest';
import { linesOf } from '../../src/job-log/log-lines.ts';
import { rankDevicesOf } from '../../src/job-log/rank-devices.ts';

const told = (...lines: string[]) => rankDevicesOf(linesOf(lines.join('\n')).lines);

// Forms of NCCL 2.28, 2.18, 2.10 and 2.4, of public logs; addresses as NCCL writes them.
test.each([
  [
    'slinky-0:34636:47952 [0] NCCL INFO ncclCommInitRankConfig comm 0x7f786806c8e0 rank 0 nranks 6 cudaDev 0 nvmlDev 0 busId 1b000 commId 0x2ce24690783c1bda - Init COMPLETE',
    { rank: 0, host: 'slinky-0', pci: '0000:1b:00' },
  ],
  [
    '2026-03-01T09:00:00.1Z [rank5]: vm-host40:34002:34044 [1] NCCL INFO ncclCommInitRank comm 0x2725f60 rank 5 nranks 8 cudaDev 1 nvmlDev 0 busId a7000 commId 0x5bfdf821d2742f21 - Init START',
    { rank: 5, host: 'vm-host40', pci: '0000:a7:00' },
  ],
  [
    'nccl-master-0:1:84 [0] NCCL INFO comm 0x56223d711810 rank 1 nranks 2 cudaDev 0 busId 1e0 - Init COMPLETE',
    { rank: 1, host: 'nccl-master-0', pci: '0000:00:1e' },
  ],
  [
    'pt-worker-0:4288:4421 [1] NCCL INFO comm 0x5649149de2c0 rank 5 nranks 8 cudaDev 1 busId 100a7000 - Abort COMPLETE',
    { rank: 5, host: 'pt-worker-0', pci: '0100:a7:00' },
  ],
])('%s', (line, device) => {
  expect(told(line)).toEqual([device]);
});

const line = (rank: number, of: number, bus: string, host = 'train-0') =>
  `${host}:9:${rank} [0] NCCL INFO comm 0x1 rank ${rank} nranks ${of} cudaDev 0 nvmlDev 0 busId ${bus} commId 0x2 - Init COMPLETE`;

test('of a smaller communicator a rank is not the job’s, and what is told twice differently nobody knows', () => {
  const seen = told(
    ...[line(0, 2, '1b000'), line(9, 16, '4e000'), line(8, 16, '1b000'), line(8, 16, '1b000')],
    ...[
      line(1, 16, '53000'),
      line(1, 16, '54000'),
      line(2, 16, '5f000'),
      line(2, 16, '5f000', 'b'),
    ],
  );
  expect(seen).toEqual([
    { rank: 8, host: 'train-0', pci: '0000:1b:00' },
    { rank: 9, host: 'train-0', pci: '0000:4e:00' },
  ]);
});

test.each([
  'step 9 busId 1b000',
  line(8, 8, '1b000'),
  line(0, 8, 'zz'),
  line(0, 8, '1b000').replace('INFO', 'WARN'),
  line(0, 8, '1b00000000000000'),
])('no place: %s', text => expect(told(text)).toBeUndefined());

test('however many there are, the answer is bounded', () => {
  const many = Array.from({ length: 5_000 }, (_, rank) => line(rank, 5_000, '1b000'));
  expect(told(...many)).toHaveLength(64);
});
