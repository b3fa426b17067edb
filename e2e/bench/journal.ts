import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { succeed } from './program.ts';
import { NotMeasured, type Row } from './row.ts';
import { amount, interleaved, median, spread } from './statistics.ts';
import type { World } from './world.ts';

const ENTRIES = 200_000;
const RUNS = 5;
const WRITER = '/lib/systemd/systemd-journal-remote';
const BOOT = '0123456789abcdef0123456789abcde0';
const BEGIN_US = 1_772_323_200_000_000;
const STEP_US = 10_000;

/** A journal that systemd wrote, read by us and by `journalctl`, both for the kernel's GPU lines. */
export async function journalRows(world: World): Promise<readonly Row[]> {
  if (!existsSync(WRITER)) throw new NotMeasured(`there is no ${WRITER} (systemd-journal-remote)`);
  const { scope, folder, report } = world;
  const { argv, environment } = await world.plugin();
  const journal = join(folder, 'journal');
  mkdirSync(journal);
  const written = join(folder, 'entries.export');
  const { kernel, driver } = writeExport(written);
  report(`a journal of ${ENTRIES} entries, ${kernel} of the kernel, ${driver} of the driver`);
  const system = { PATH: '/usr/bin:/bin' };
  await succeed(scope, [WRITER, '-o', join(journal, 'system.journal'), written], {
    environment: system,
  });
  const script = `journalctl -D '${journal}' _TRANSPORT=kernel -o json | grep -c NVRM`;
  const taken = await interleaved({
    runs: RUNS,
    signal: scope.signal,
    ours: () =>
      succeed(scope, [...argv, 'analyze', journal, '-o', 'json'], { environment, peak: true }),
    peer: async () => {
      const ran = await succeed(scope, ['sh', '-c', script], { environment: system });
      if (Number(ran.stdout) !== driver)
        throw new Error(`journalctl found ${ran.stdout} of ${driver}`);
      return ran.endMs;
    },
  });
  const ours = taken.ours.map(({ endMs }) => endMs);
  const peak = Math.max(...taken.ours.map(({ peakBytes }) => peakBytes));
  const ratio = median(ours) / median(taken.peer);
  return [
    {
      name: `K3 journal of ${ENTRIES} entries`,
      ours: `${spread(ours)}, peak ${amount(peak / 1_000_000, 'MB')}`,
      peer: `journalctl -o json | grep: ${spread(taken.peer)}`,
      ratio,
      goal: '<= 1.0x',
      met: ratio <= 1,
      samples: { oursMs: ours, peerMs: taken.peer, peakBytes: [peak] },
    },
  ];
}

/** Three entries in ten are the kernel's, one of its hundred the driver's. */
function writeExport(file: string): { readonly kernel: number; readonly driver: number } {
  const entries: string[] = [];
  let [kernel, driver] = [0, 0];
  for (let n = 1; n <= ENTRIES; n += 1) {
    const isKernel = n % 10 < 3;
    if (isKernel) kernel += 1;
    const isDriver = isKernel && kernel % 100 === 0;
    if (isDriver) driver += 1;
    const us = n * STEP_US;
    const message = isDriver
      ? `NVRM: Xid (PCI:0000:3b:00): 31, pid=${n}, name=python3, Ch 00000008, intr 00000000. MMU Fault`
      : isKernel
        ? `IPv6: ADDRCONF(NETDEV_CHANGE): cali${n.toString(16)}: link becomes ready`
        : `I0301 kubelet.go:${n % 4096}] "SyncLoop (PLEG)" pod="train/worker-${n % 64}"`;
    entries.push(
      [
        `__REALTIME_TIMESTAMP=${BEGIN_US + us}`,
        `__MONOTONIC_TIMESTAMP=${us}`,
        `_BOOT_ID=${BOOT}`,
        `_HOSTNAME=node-a`,
        ...(isKernel
          ? ['_TRANSPORT=kernel', 'SYSLOG_FACILITY=0', `_SOURCE_MONOTONIC_TIMESTAMP=${us}`]
          : ['_TRANSPORT=syslog', 'SYSLOG_FACILITY=3', 'SYSLOG_IDENTIFIER=kubelet']),
        'PRIORITY=4',
        `MESSAGE=${message}`,
        '\n',
      ].join('\n'),
    );
  }
  writeFileSync(file, entries.join(''));
  return { kernel, driver };
}
