import type { RankDevice } from '../contract/job-log.ts';
import { pciKey } from '../contract/pci.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Line } from './log-lines.ts';

const DEVICES_MAX = 64;

/**
 * NCCL with NCCL_DEBUG=INFO, as a communicator begins, is there or is given up (init.cc of 2.3 to 2.28):
 * `train-0:118:902 [1] NCCL INFO ncclCommInitRank comm 0x55d7 rank 3 nranks 8 cudaDev 1 nvmlDev 1 busId 4e000
 * commId 0xb36 - Init COMPLETE`.
 */
const COMMUNICATOR =
  /\b([\w.-]{1,64}):\d{1,10}:\d{1,10} \[\d{1,4}\] NCCL INFO (?:\w{1,64} )?comm 0x[0-9a-f]{1,16} rank (\d{1,6}) nranks (\d{1,6}) cudaDev \d{1,4} (?:nvmlDev \d{1,4} )?busId ([0-9a-f]{1,14}) (?:commId 0x[0-9a-f]{1,16} )?- /i;

/**
 * Which rank of the job computes on which GPU, by the largest communicators of the log: of a smaller one,
 * as of tensor parallelism, a rank is not the job's. What two lines tell differently nobody knows.
 */
export function rankDevicesOf(lines: readonly Line[]): readonly RankDevice[] | undefined {
  const found = lines.flatMap(({ text }) => {
    if (!text.includes(' busId ')) return [];
    const [, host = '', rank, of, bus = ''] = COMMUNICATOR.exec(text) ?? [];
    const pci = pciOfBusId(bus);
    if (rank === undefined || pci === undefined || Number(rank) >= Number(of)) return [];
    return [{ host: plainText(host, 64), rank: Number(rank), of: Number(of), pci }];
  });
  const largest = Math.max(...found.map(({ of }) => of));
  const ranks = Map.groupBy(
    found.filter(({ of }) => of === largest),
    ({ rank }) => rank,
  );
  const sure = [...ranks.values()].flatMap(([first, ...others]) =>
    first && others.every(({ host, pci }) => host === first.host && pci === first.pci)
      ? [{ rank: first.rank, host: first.host, pci: first.pci }]
      : [],
  );
  return sure.length === 0
    ? undefined
    : sure.toSorted((a, b) => a.rank - b.rank).slice(0, DEVICES_MAX);
}

/** `0000:4e:00.0` without its signs, as a number: 4e000 (NCCL's busIdToInt64). */
function pciOfBusId(bus: string): string | undefined {
  const digits = bus.padStart(9, '0');
  const at = digits.length - 5;
  return pciKey(
    `${digits.slice(0, at)}:${digits.slice(at, at + 2)}:${digits.slice(at + 2, at + 4)}`,
  );
}
