import { execFile, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, realpathSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { rowNaming } from '../../src/node-root/allowed.ts';
import { tree } from '../host/tree.ts';
import { PROJECT } from '../house/files.ts';

const strace = (() => {
  try {
    execFileSync('strace', ['-V'], { stdio: 'ignore' });
    return process.getuid?.() === 0;
  } catch {
    return false;
  }
})();

/** A node with what is read, what is not, and logs that link to what is not. */
const SECRET = 'a secret of the node';
const FILES = {
  'etc/shadow': SECRET,
  'etc/hostname': 'n',
  'etc/ld.so.cache': '/opt/nvidia/libnvidia-ml.so.1\0',
  'opt/nvidia/libnvidia-ml.so.1': 'no library',
  'usr/lib64/libnvidia-ml.so.1': 'no library',
  'usr/lib/wsl/drivers/nv/': '',
  'run/nvidia/validations/driver-ready': 'NVIDIA_DRIVER_ROOT=/run/nvidia/driver\n',
  'run/containerd/containerd.sock': '',
  'var/lib/kubelet/pki/kubelet.key': SECRET,
  'var/log/auth.log': SECRET,
  'var/log/kern.log': 'Nov 27 03:10:00 n kernel: [1.0] NVRM: Xid (PCI:0000:41:00): 79, pid=0\n',
  'var/log/journal/0123/system.journal': 'no journal',
  'var/log/journal/0123/user.key': SECRET,
  'var/log/pods/ml_train-0_5f0c/main/0.log': SECRET,
  'var/lib/systemd/pstore/1/dmesg.txt': '<6>[1.0] x\n',
};
const LINKS = {
  'var/log/kern.log.1': '../../etc/shadow',
  'var/log/messages': '/etc/shadow',
  'var/log/journal/0123/linked.journal': '/etc/shadow',
  lib64: 'usr/lib64',
  'lib/x86_64-linux-gnu/libnvidia-ml.so.1': '/etc/shadow',
};
const TOOLS = ['triage_gpu_node', 'get_incident_report', 'get_gpu_timeline', 'describe_gpu_node'];

const undo: (() => void)[] = [];
afterEach(() => {
  for (const step of undo.splice(0)) step();
});

/** A process whose root is this folder, as a node's first process has the node's. */
async function processIn(root: string): Promise<number> {
  const program = `import os,sys;os.chroot(${JSON.stringify(root)});print("in",flush=True);sys.stdin.read()`;
  const child = spawn('python3', ['-c', program], { stdio: ['pipe', 'pipe', 'inherit'] });
  undo.push(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child.pid ?? 0;
}

test.skipIf(!strace)(
  'what the agent opens of a node, and how, is what the table says',
  async () => {
    const root = realpathSync(tree(FILES, LINKS));
    const pid = await processIn(root);
    const seen = `/proc/${pid}/root`;
    const log = join(mkdtempSync(join(tmpdir(), 'opened-')), 'calls');
    const agent = execFile('strace', [
      ...[
        '-f',
        '-qq',
        '-s',
        '4096',
        '-o',
        log,
        '-e',
        'trace=%file,connect,dup,ftruncate,fallocate',
      ],
      ...[process.execPath, join(PROJECT, 'dist/agent.mjs'), '--host-root', seen],
    ]);
    const ended = once(agent, 'close');
    const ask = (id: number, method: string, params: object) =>
      agent.stdin?.write(`${JSON.stringify({ jsonrpc: '2.0', id, method, params })}\n`);
    const client = { name: 'test', version: '1' };
    ask(0, 'initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo: client });
    for (const [at, name] of TOOLS.entries()) ask(at + 1, 'tools/call', { name, arguments: {} });
    let answers = '';
    agent.stdout?.on('data', chunk => {
      answers += chunk;
      if (answers.split('\n').length > TOOLS.length + 1) agent.stdin?.end();
    });
    await ended;

    const calls = readFileSync(log, 'utf8')
      .split('\n')
      .filter(line => line.includes(`"${seen}`) && !line.includes(` execve("${process.execPath}"`));
    const pathOf = (line: string) => line.split(`"${seen}`)[1]?.split('"')[0] || '/';
    const opened = calls.filter(line => / (?:openat2?|open)\(/.test(line));
    const files = opened.filter(line => !line.includes('O_DIRECTORY')).map(pathOf);
    expect([...new Set(files)].sort()).toEqual([
      '/etc/ld.so.cache',
      '/etc/timezone',
      '/opt/nvidia/libnvidia-ml.so.1',
      '/run/nvidia/validations/driver-ready',
      '/usr/lib64/libnvidia-ml.so.1',
      '/var/lib/systemd/pstore/1/dmesg.txt',
      '/var/log/journal/0123/system.journal',
      '/var/log/kern.log',
    ]);
    expect(files.filter(path => !rowNaming(path))).toEqual([]);
    const folders = opened.filter(line => line.includes('O_DIRECTORY')).map(pathOf);
    const listed =
      /^\/(?:var\/log(?:\/(?:journal|pods|containers)(?:\/[^/]+){0,2})?|run\/log\/journal|var\/lib\/systemd\/pstore(?:\/[^/]+)?|usr\/lib\/wsl\/drivers)$/;
    expect(folders.filter(path => !listed.test(path))).toEqual([]);
    // Nothing is opened to write, made, renamed or removed.
    const reading =
      / (?:openat2?|open|readlink|readlinkat|statx?|lstat|newfstatat|fstatat64|access|faccessat2?|statfs|getxattr|connect)\(/;
    expect(calls.filter(line => !reading.test(line))).toEqual([]);
    expect(opened.filter(line => /O_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND)/.test(line))).toEqual([]);
    expect(answers).not.toContain(SECRET);
    expect(answers.match(/"isError":true/g)).toBeNull();
  },
);
