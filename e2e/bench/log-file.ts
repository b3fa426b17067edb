import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { PROJECT } from '../prepare.ts';

const REAL_LINES = 'test/fixtures/kernel-lines/real-kernel-lines.jsonl';
const BLOCK_CHARACTERS = 1 << 20;
const LINE_EVERY_US = 10_000;
/** A fixed beginning, so that the same size gives the same file. */
const BEGIN_MS = Date.parse('2026-03-01T00:00:00Z');

/** What a busy node's syslog is made of beside the GPU: kernel and daemons, short and long. */
const ORDINARY: readonly ((n: number) => string)[] = [
  n =>
    `kernel: [${uptime(n)}] audit: type=1400 audit(${n}.123:${n}): apparmor="DENIED" pid=${n % 9973}`,
  n =>
    `kernel: [${uptime(n)}] IPv6: ADDRCONF(NETDEV_CHANGE): cali${n.toString(16)}: link becomes ready`,
  n =>
    `kernel: [${uptime(n)}] EXT4-fs (nvme${n % 8}n1p1): mounted filesystem with ordered data mode`,
  n => `kernel: [${uptime(n)}] TCP: request_sock_TCP: Possible SYN flooding on port ${n % 65535}.`,
  n => `kernel: [${uptime(n)}] cgroup: fork rejected by pids controller in /kubepods/pod${n % 997}`,
  n =>
    `systemd[1]: run-containerd-runc-k8s.io-${n.toString(16)}-runc.mount: Deactivated successfully.`,
  n =>
    `kubelet[${n % 32768}]: I0301 kubelet.go:${n % 4096}] "SyncLoop (PLEG)" pod="train/worker-${n % 64}"`,
  n =>
    `containerd[812]: time="x" level=info msg="StopContainer for \\"${n.toString(16)}\\" returns"`,
  n =>
    `sshd[${n % 32768}]: Connection closed by 10.0.${n % 256}.${n % 251} port ${n % 65535} [preauth]`,
  n => `CRON[${n % 32768}]: (root) CMD (test -x /usr/sbin/anacron || run-parts /etc/cron.hourly)`,
];

/**
 * Writes a text log of this size as rsyslog would, `gpuShare` of its lines real lines of NVIDIA's
 * driver, and gives the number of lines. It lies in the page cache and on the disk afterwards.
 */
export function writeLog(options: {
  readonly file: string;
  readonly bytes: number;
  readonly gpuShare: number;
}): { readonly lines: number; readonly gpuLines: number } {
  const driver = driverMessages();
  const every = options.gpuShare > 0 ? Math.round(1 / options.gpuShare) : Number.POSITIVE_INFINITY;
  const descriptor = openSync(options.file, 'wx');
  let [lines, gpuLines, written] = [0, 0, 0];
  try {
    while (written < options.bytes) {
      let block = '';
      while (block.length < BLOCK_CHARACTERS) {
        lines += 1;
        const isGpu = lines % every === 0;
        const message = isGpu
          ? `kernel: [${uptime(lines)}] ${driver[gpuLines++ % driver.length]}`
          : ORDINARY[(lines * 7) % ORDINARY.length]?.(lines);
        block += `${stamp(lines)} node-a ${message}\n`;
      }
      written += writeSync(descriptor, block);
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  return { lines, gpuLines };
}

/** Messages that were seen on real machines and that `grep NVRM` finds. */
function driverMessages(): readonly string[] {
  return readFileSync(join(PROJECT, REAL_LINES), 'utf8')
    .split('\n')
    .filter(line => line !== '')
    .map(line => String(JSON.parse(line).message))
    .filter(message => message.startsWith('NVRM:') && !message.includes('\n'));
}

const uptime = (line: number) => ((line * LINE_EVERY_US) / 1e6).toFixed(6).padStart(12);

let second = { number: -1, text: '' };

/** `2026-03-01T00:00:00.010000+00:00`; the second's text is kept, for a million lines share few. */
function stamp(line: number): string {
  const us = line * LINE_EVERY_US;
  const number = Math.floor(us / 1e6);
  if (second.number !== number) {
    second = { number, text: new Date(BEGIN_MS + number * 1000).toISOString().slice(0, 19) };
  }
  return `${second.text}.${String(us % 1e6).padStart(6, '0')}+00:00`;
}
