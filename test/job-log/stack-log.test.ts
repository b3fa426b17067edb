import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { STACK_CAUSES } from '../../src/contract/stack-log.ts';
import { readStackLog } from '../../src/job-log/stack-log.ts';

const DRIVER = { part: 'driver', container: 'nvidia-driver-ctr', init: false } as const;
const READ = { previous: false, requests: 1, bytes: 9 };
const readOf = (of: Omit<Parameters<typeof readStackLog>[0], 'text'>, lines: readonly string[]) =>
  readStackLog({
    ...of,
    text: lines
      .map((line, at) => `2026-03-01T11:00:${String(at).padStart(2, '0')}Z ${line}\n`)
      .join(''),
  });
const read = (...lines: readonly string[]) => readOf({ ...DRIVER, ...READ }, lines);

/** How the driver container ends, whatever it ended for: NVIDIA/gpu-driver-container, its trap. */
const END = [
  'Stopping NVIDIA persistence daemon...',
  'Unloading NVIDIA driver kernel modules...',
  'Unmounting NVIDIA driver rootfs...',
];

/** Lines as these programs print them, or as threads quote them. */
const LINES = [
  ['headers', 'Could not resolve Linux kernel version'],
  ['headers', 'E: Unable to locate package linux-headers-5.15.0-1045-aws'],
  ['headers', 'Error: Unable to find a match: kernel-headers-4.18.0-305.3.1.el8.x86_64'],
  [
    'headers',
    'FATAL: failed to install elfutils-libel-devel. RHEL entitlement may be improperly deployed.',
  ],
  ['headers', 'ERROR: Unable to find the kernel source tree for the currently running kernel.'],
  [
    'network',
    'ERROR: Failed to update package cache.  Ensure that the cluster can access the proper networks.',
  ],
  [
    'network',
    'FATAL: failed to reach RHEL package repositories.  Ensure that the cluster can access the proper networks.',
  ],
  [
    'network',
    "W: Failed to fetch http://archive.ubuntu.com/ubuntu/dists/jammy/InRelease  Temporary failure resolving 'archive.ubuntu.com'",
  ],
  ['network', 'curl: (6) Could not resolve host: us.download.nvidia.com'],
  ['signature', "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service"],
  ['signature', "modprobe: ERROR: could not insert 'nvidia': Required key not available"],
  ['signature', "modprobe: ERROR: could not insert 'nvidia': Operation not permitted"],
  ['module-load', "modprobe: ERROR: could not insert 'nvidia': No such device"],
  [
    'module-load',
    "modprobe: ERROR: could not insert 'nvidia_uvm': Unknown symbol in module, or unknown parameter (see dmesg)",
  ],
  ['nouveau', 'ERROR: The Nouveau kernel driver is currently in use by your system.'],
  ['nouveau', 'failed to unload nouveau driver: exit status 1'],
  ['in-use', 'Could not unload NVIDIA driver kernel modules, driver is in use'],
  ['in-use', 'An instance of the NVIDIA driver is already running, aborting'],
  [
    'in-use',
    'Cleanup could not automatically proceed on node gpu-3 because both GPU pod eviction and auto-drain are disabled.',
  ],
  [
    'in-use',
    'cannot drain the DRA kubelet-plugin: pod(s) still hold GPU resource claims: ml/train-0',
  ],
  ['pre-installed', 'driver is pre-installed on host'],
  ['compiler', 'Compiler version check failed:'],
  ['compiler', "gcc: error: unrecognized command-line option '-ftrivial-auto-var-init=zero'"],
  [
    'build',
    'make[2]: *** [/usr/src/linux-headers-6.8.0-51/Makefile:1925: /usr/src/nvidia-550.90.07/kernel] Error 2',
  ],
  ['disk-full', 'tar: usr/src/nvidia-550.90.07: Cannot mkdir: No space left on device'],
  ['no-driver', 'Failed to initialize NVML: could not load NVML library.'],
  [
    'no-driver',
    'error starting plugins: error creating plugin manager: unable to create plugin manager: nvml init failed: ERROR_LIBRARY_NOT_FOUND',
  ],
  [
    'no-driver',
    'error getting plugins: unable to create plugins: failed to construct resource managers: invalid device discovery strategy',
  ],
  ['no-driver', 'failed to locate driver libraries: pattern libnvidia-ml.so.1 not found'],
  ['network', "* Certificate: fatal: unable to access 'https://x/': certificate verify failed"],
  [
    'runtime-restart',
    'time="2026-03-01T11:00:00Z" level=warning msg="Max retries reached 6/6, aborting"',
  ],
  [
    'runtime-restart',
    'level=error msg="error running nvidia-ctk-installer: unable to setup runtime: unable to restart containerd: connect: no such file or directory"',
  ],
  [
    'network-in-use',
    'ERROR\tstorage-over-RDMA module blocking MOFED driver reload\t{"mofedModule": "rdma_cm", "dependents": "nvme_rdma"}',
  ],
  ['peermem-load', "modprobe: ERROR: could not insert 'nvidia_peermem': Invalid argument"],
  ['peermem-load', 'failed to load nvidia-peermem module'],
  ['helper-load', "modprobe: ERROR: could not insert 'nvidia_fs': Unknown symbol in module"],
  ['helper-load', 'insmod: ERROR: could not insert module gdrdrv.ko: Invalid module format'],
  ['version-mismatch', 'Failed to initialize NVML: Driver/library version mismatch'],
  ['gpus-lost', 'E0301 main.go:93] failed to initialize NVML: Unknown Error'],
  [
    'not-initialized',
    'Failed to allocate device vector A (error code system not yet initialized)!',
  ],
  [
    'driver-root',
    "Check failed. Has the NVIDIA GPU driver been set up? It is expected to be installed under NVIDIA_DRIVER_ROOT (currently set to '/') in the host filesystem.",
  ],
  ['configuration', 'E0301 main.go:209] specified config time-slicing-8x does not exist'],
  [
    'configuration',
    'error starting plugins: error getting plugins: unable to load config: unable to parse config file: unmarshal error',
  ],
  [
    'mps',
    'Failed to start plugin: error waiting for MPS daemon: error checking MPS daemon health: exit status 1',
  ],
  [
    'none-registered',
    'level=info msg="GPU resources are not yet discovered by the node, retry: 30"',
  ],
  [
    'host-engine',
    'level=ERROR msg="Failed to connect to remote hostengine" address=localhost:5555',
  ],
  [
    'address-in-use',
    'level=ERROR msg="Failed to Listen and Server HTTP server." err="listen tcp :9400: bind: address already in use"',
  ],
] as const;

/** The MIG manager goes on behind them; NVIDIA/gpu-operator, threads of failed resets. */
const MIG_LINES = [
  [
    'mig-in-use',
    'Please first kill all processes using this device and all compute applications running in the system.',
  ],
  ['mig-in-use', 'GPU 00000000:07:00.0 is currently in use: In use by another client'],
  ['mig-profile', 'level=fatal msg="error: selected mig-config not present: all-2g.11gb"'],
  [
    'mig-reset',
    'level=fatal msg="Error applying MIG configuration with hooks: error resetting all GPUs: exit status 3"',
  ],
] as const;
const MIG_MANAGER = { part: 'MIG manager', container: 'nvidia-mig-manager', init: false } as const;
const AFTER = [
  'Restarting any GPU clients previously shutdown on the host',
  "Changing the 'nvidia.com/mig.config.state' node label to 'failed'",
  'time="2026-03-01T11:00:09Z" level=info msg="Waiting for change to \'nvidia.com/mig.config\' label"',
];

describe('what the MIG manager prints before it goes on', () => {
  test.each(MIG_LINES)('%s: %s', (cause, line) => {
    const log = readOf({ ...MIG_MANAGER, ...READ }, [
      'Applying the MIG mode change',
      line,
      ...AFTER,
    ]);
    expect(log).toMatchObject({ cause, text: line, at: '2026-03-01T11:00:01Z' });
    // In any other log the words are of somebody else.
    expect(read(line, ...END).cause).toBeUndefined();
  });

  test('what hindered an earlier try is not told of the last one', () => {
    const [inUse, , , reset] = MIG_LINES;
    const tries = (last: string) => [
      ...['level=info msg="Updating to MIG config: all-1g.10gb"', inUse[1], ...AFTER],
      ...['level=info msg="Updating to MIG config: all-2g.20gb"', last, ...AFTER],
    ];
    expect(readOf({ ...MIG_MANAGER, ...READ }, tries(reset[1])).cause).toBe('mig-reset');
    const unknown = 'level=fatal msg="Error: something else"';
    const log = readOf({ ...MIG_MANAGER, ...READ }, tries(unknown));
    expect(log.cause).toBeUndefined();
    expect(log.text).not.toContain('processes using this device');
  });

  test('a reset that failed because the GPU is in use is told by that', () => {
    const [inUse, , , reset] = MIG_LINES;
    const log = readOf({ ...MIG_MANAGER, ...READ }, [inUse[1], reset[1], ...AFTER]);
    expect(log).toMatchObject({ cause: 'mig-in-use', text: inUse[1] });
  });
});

describe('what a part of the GPU stack prints before it ends', () => {
  test.each(LINES)('%s: %s', (cause, line) => {
    expect(read('Installing Linux kernel headers...', line, ...END)).toMatchObject({
      ...{ cause, text: line.replaceAll(/\t/g, ' ') },
      at: '2026-03-01T11:00:01Z',
    });
  });

  test('every cause has a line', () => {
    const told = [...LINES, ...MIG_LINES].map(([cause]) => cause);
    expect(new Set(told)).toEqual(new Set(STACK_CAUSES));
  });
});

test.each([
  [
    'what it lacked stands before what did not build for it',
    ['compiler', LINES[22][1], LINES[23][1]],
  ],
  ['a full disk before what it broke', ['disk-full', LINES[24][1], LINES[23][1]]],
] as const)('%s', (_, [cause, ...lines]) => {
  expect(read(...lines, ...END)).toMatchObject({ cause });
});

const OVER = 'Done, now waiting for signal';
const NETWORK = "W: Failed to fetch http://archive.ubuntu.com/x  Temporary failure resolving 'x'";
const DISK = 'tar: usr/src: Cannot mkdir: No space left on device';
const NO_HEADERS = 'E: Unable to locate package linux-headers-5.15.0-1045-aws';

describe('of several causes the last one decides, but for what came of another', () => {
  test.each([
    ['module-load', NETWORK, "modprobe: ERROR: could not insert 'nvidia': No such device"],
    ['nouveau', DISK, OVER, 'ERROR: The Nouveau kernel driver is currently in use by your system.'],
    ['build', NETWORK, 'make[2]: *** [Makefile:1925: kernel] Error 2'],
    ['network', DISK, NETWORK],
    [
      'signature',
      "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service",
      "ERROR: Unable to load the kernel module 'nvidia.ko'.",
    ],
    ['network', NETWORK, NO_HEADERS],
    ['headers', NETWORK, 'Get:1 http://archive.ubuntu.com jammy InRelease', NO_HEADERS],
    ['headers', NO_HEADERS, 'Installing Linux kernel headers...'],
  ] as const)('%s', (cause, ...lines) => {
    expect(read(...lines, ...END)).toMatchObject({ cause });
  });
});

describe('lines as other nodes and programs write them', () => {
  const KEY = "modprobe: ERROR: could not insert 'nvidia': Key was rejected by service";
  const raw = (text: string) => readStackLog({ ...DRIVER, ...READ, text });

  test.each([
    ['Z', '2026-03-01T11:00:00Z'],
    ['.123456789Z', '2026-03-01T11:00:00.123456789Z'],
    ['.123456789+08:00', '2026-03-01T03:00:00.123456789Z'],
    ['-05:30', '2026-03-01T16:30:00Z'],
  ])('the zone %s', (zone, at) => {
    for (const end of ['\n', '\r\n']) {
      expect(raw(`2026-03-01T11:00:00${zone} ${KEY}${end}`)).toMatchObject({
        ...{ lines: 1, cause: 'signature', text: KEY, at },
      });
    }
  });

  test('what is drawn over a progress bar', () => {
    expect(raw('2026-03-01T11:00:00Z Get:1 10%\rE: Could not resolve host x\n')).toMatchObject({
      ...{ lines: 1, cause: 'network', text: 'E: Could not resolve host x' },
      at: '2026-03-01T11:00:00Z',
    });
  });

  test('a line without a time is read, too', () => {
    const { at, ...read } = raw(`${KEY}\n`);
    expect(read).toMatchObject({ lines: 1, cause: 'signature' });
    expect(at).toBeUndefined();
  });
});

describe('what tells no cause', () => {
  // Each stands in the log of a driver that came up, or of who only waits: of the same sources.
  test.each([
    ['WARNING: A search path is already configured in /sys/module/firmware_class/parameters/path'],
    ['Could not stop NVIDIA persistence daemon'],
    ['waiting for nvidia container stack to be setup'],
    ['waiting for the driver validations to be ready...'],
    ['command failed, retrying after 5 seconds'],
    ['WARNING: Ignoring CC version mismatch:'],
  ])('%s', line => {
    expect(read(line, 'Done, now waiting for signal')).not.toHaveProperty('cause');
  });

  test('is told by its last error, else by its last line', () => {
    expect(read('starts', 'error: no such thing', 'ends').text).toBe('error: no such thing');
    expect(read('starts', 'ends').text).toBe('ends');
    expect(read()).toMatchObject({ lines: 0, text: '' });
  });
});

describe('words of any program', () => {
  const LOOKUP = 'dial tcp: lookup kubernetes.default.svc: Temporary failure in name resolution';
  test.each([
    ['driver', 'nvidia-driver-ctr', false, 'network'],
    ['network operator', 'mofed-container', false, 'network'],
    ['driver', 'k8s-driver-manager', true, undefined],
    ['MIG manager', 'nvidia-mig-manager', false, undefined],
  ] as const)('in the log of %s, container %s', (part, container, init, cause) => {
    for (const line of [
      LOOKUP,
      'curl: (6) Could not resolve host: x',
      'certificate verify failed',
    ]) {
      expect(readOf({ part, container, init, ...READ }, [line]).cause).toBe(cause);
    }
  });
});

describe('of a line that is long', () => {
  const BEFORE = `level=error ${'x'.repeat(90)} `.repeat(9);
  const WORDS = 'Could not resolve Linux kernel version';

  test('the whole is read, and what stands about the words that tell is quoted', () => {
    const { cause, text } = read(`${BEFORE}and then ${WORDS} at the end of ${BEFORE}`, ...END);
    expect(cause).toBe('headers');
    expect(text).toMatch(/^… and then Could not resolve Linux kernel version at the end of level=/);
    expect(text.length).toBeLessThanOrEqual(200);
  });

  test('that tells at its begin, its begin is quoted, and of one without a word the words that tell', () => {
    expect(read(`${WORDS} ${BEFORE}`).text).toMatch(/^Could not resolve Linux/);
    expect(read(`${'x'.repeat(900)}${WORDS}`).text).toBe(`…${WORDS}`);
  });

  test('that tells no cause, its error is quoted', () => {
    expect(read(`${'word '.repeat(90)}error: no such thing`).text).toBe(
      `… ${'word '.repeat(11)}error: no such thing`,
    );
  });

  test('no text that is looked for repeats without a bound: it would be slow by the square of the line', () => {
    const source = readFileSync('src/job-log/stack-log.ts', 'utf8');
    const tables = source.slice(source.indexOf('const TEXTS'), source.indexOf('const COMES_OF'));
    const texts = tables.match(/^.*\/.+\/i?[,\]].*$/gm) ?? [];
    expect(texts.length).toBeGreaterThan(STACK_CAUSES.length);
    const unescaped = texts.join('\n').replaceAll(/\\./g, '');
    expect(unescaped.match(/[*+]|\{\d+,\}/g)).toBeNull();
  });
});

describe('no secret is quoted', () => {
  test('as the last word, nor as its last error', () => {
    expect(read('starts', 'REPO_TOKEN=abc failed').text).toBe('REPO_TOKEN=(left out) failed');
    expect(read('+ login --as abc').text).toBe('(a line of a shell that may hold a secret)');
  });

  test('with a cause, and where its name is cut off', () => {
    const line = 'https://u?token=abc Failed to download metadata for repo x';
    expect(read(line)).toMatchObject({
      ...{ cause: 'network', text: line.replace('abc', '(left out)') },
    });
    const long = `${'x'.repeat(300)} password: ${'s'.repeat(60)} Failed to download metadata for repo`;
    expect(read(long).text).not.toContain('sss');
  });
});

test('its words are cut and made plain', () => {
  const { text } = read(`error \u001b[31m\u202e${'x'.repeat(400)}`);
  expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(text.length).toBeLessThanOrEqual(200);
});
