import { describe, expect, test } from 'vitest';
import { readJobLog } from '../../src/job-log/read-job-log.ts';

/**
 * What tools of a start script or of a build say as they fail: curl (src/tool_operate.c), git (transport, builtin/clone.c),
 * apt, mount(8), conda (conda/exceptions.py), pip (pip/_internal/exceptions.py), uv (crates/uv-*), GNU ld, nvcc and
 * Intel's OpenMP (openmp/runtime/src/i18n/en_US.txt).
 */

const causeOf = (...log: readonly string[]) => {
  const text = `${log.join('\n')}\n`;
  const asked = { container: 'train', previous: false, requests: 1, bytes: text.length };
  const cause = readJobLog({ ...asked, text, cut: false }).entries.find(
    ({ role }) => role === 'cause',
  );
  return cause && { layer: cause.layer, line: cause.line };
};

describe('a tool that sets up the place of a program', () => {
  test.each([
    ['fabric', 'curl: (28) Operation timed out after 30000 milliseconds with 0 bytes received'],
    ['fabric', 'curl: (35) OpenSSL SSL_connect: SSL_ERROR_SYSCALL in connection to x:443'],
    ['configuration', 'curl: (60) SSL certificate problem: unable to get local issuer certificate'],
    ['fabric', 'error: RPC failed; curl 56 GnuTLS recv error (-54): Error in the pull function.'],
    ['fabric', 'fatal: early EOF'],
    ['configuration', "fatal: repository 'https://github.com/acme/x/' not found"],
    ['configuration', 'E: Unable to locate package cuda-toolkit'],
    ['configuration', 'E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 1'],
    ['configuration', "mount: /mnt: unknown filesystem type 'lustre'."],
    ['configuration', "fusermount: fuse device not found, try 'modprobe fuse' first"],
    ['configuration', 'ERROR: torch-2.1-cp39.whl is not a supported wheel on this platform.'],
    ['configuration', "ERROR: Package 'x' requires a different Python: 3.8.10 not in '>=3.10'"],
    ['configuration', 'critical libmamba Could not solve for environment specs'],
    ['configuration', 'LibMambaUnsatisfiableError: The following package could not be installed'],
    ['configuration', 'error: Failed to spawn: `train.py`'],
    ['configuration', 'error: No interpreter found for Python 3.14 in managed installations'],
    ['configuration', 'nvlink fatal   : Could not find fatbin in /app/x.o'],
    [
      'configuration',
      'OMP: Error #15: Initializing libiomp5.so, but found libomp.so already initialized.',
    ],
    ['configuration', 'FATAL: kernel too old'],
  ])('%s: %s', (layer, line) => {
    expect(causeOf('+ ./setup.sh', line)).toEqual({ layer, line: 2 });
  });
});

describe('what it only passes on, or does without', () => {
  test('the linker tells which symbol before it tells that it failed', () => {
    const undefinedSymbol = '/usr/bin/ld: x.o: undefined reference to `cudaMalloc@libcudart.so.12`';
    expect(
      causeOf(
        '+ make',
        `${undefinedSymbol}: error: unresolved`,
        'collect2: error: ld returned 1 exit status',
      ),
    ).toMatchObject({ line: 2 });
  });
  test.each([
    "ERROR: ld.so: object '/opt/libjemalloc.so' from LD_PRELOAD cannot be preloaded (cannot open shared object file): ignored.",
    'WARNING: The directory cache has been disabled. Check permissions.',
    'passwd file does not exist in container, not updating',
  ])('no cause: %s', line => {
    expect(causeOf('step 1', line, 'step 2')).toBeUndefined();
  });
  test('an error of links is none of the linker', () => {
    expect(causeOf('step 1', 'ERROR: NVLink error: link 3 of GPU 2 is down')).toMatchObject({
      layer: 'unknown',
    });
  });
});
