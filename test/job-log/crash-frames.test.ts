import { expect, test } from 'vitest';
import { read } from './entries.ts';

/** What stands below a crash: the first function or library of its stack that is none of the crash itself. */
test.each([
  {
    name: 'ompi',
    frame: 'ncclGroupEnd in libnccl.so.2',
    log: [
      '[n7:1] *** Process received signal ***',
      '[n7:1] Signal: Segmentation fault (11)',
      '[n7:1] Signal code: Address not mapped (1)',
      '[n7:1] Failing at address: 0x10',
      '[n7:1] [ 0] /lib/x86_64-linux-gnu/libpthread.so.0(+0x12980)[0x7f8e]',
      '[n7:1] [ 1] /opt/nccl/lib/libnccl.so.2(ncclGroupEnd+0x3f)[0x7f8e]',
      '[n7:1] [ 2] ./solver(main+0x12)[0x55]',
      '[n7:1] *** End of error message ***',
    ],
  },
  {
    name: 'gdb',
    frame: 'cuMemcpyDtoH_v2 in libcuda.so.1',
    log: [
      'Program terminated with signal SIGSEGV, Segmentation fault.',
      '#0  0x00007f in raise () from /lib/libc.so.6',
      '#1  0x00007f in abort () from /lib/libc.so.6',
      '#2  0x00007f in cuMemcpyDtoH_v2 () from /usr/lib/libcuda.so.1',
      '#3  main (argc=1, argv=0x7f) at solver.cpp:12',
    ],
  },
  {
    name: 'python',
    frame: '__getitem__ in dataset.py:33',
    log: [
      'Fatal Python error: Segmentation fault',
      '',
      'Current thread 0x00007f (most recent call first):',
      '  File "/app/dataset.py", line 33 in __getitem__',
      '  File "/app/train.py", line 3 in <module>',
    ],
  },
  {
    name: 'torch',
    frame: 'c10d::ProcessGroupNCCL::abort in libtorch_cuda.so',
    log: [
      '*** Aborted at 1700000000 ***',
      "terminate called after throwing an instance of 'c10::Error'",
      'Aborted (core dumped)',
      'frame #0: c10::Error::Error(c10::SourceLocation, std::string) + 0x57 (0x7f in /opt/libc10.so)',
      'frame #1: c10d::ProcessGroupNCCL::abort() + 0x1e6 (0x7f in /opt/torch/lib/libtorch_cuda.so)',
    ],
  },
  {
    name: 'ucx',
    frame: 'solve_step in libsolver.so',
    log: [
      '[n7:123:0:123] Caught signal 11 (Segmentation fault: address not mapped to object at address 0x10)',
      '==== backtrace (tid:    123) ====',
      ' 0 0x0000000000012980 __funlockfile()  ???:0',
      ' 1  /opt/ucx/lib/libucs.so.0(ucs_handle_error+0x2e4) [0x7f]',
      ' 2  /opt/app/libsolver.so(solve_step+0x12) [0x7f]',
      '=================================',
    ],
  },
  {
    name: 'java',
    frame: 'cudf::sort in libcudf.so',
    log: [
      '# A fatal error has been detected by the Java Runtime Environment:',
      '#',
      '#  SIGSEGV (0xb) at pc=0x00007f, pid=1, tid=2',
      '#',
      '# Problematic frame:',
      '# C  [libcudf.so+0x1234]  cudf::sort+0x12',
    ],
  },
  {
    name: 'julia',
    frame: 'cuMemcpyHtoDAsync_v2 in libcuda.so',
    log: [
      'signal (11): Segmentation fault',
      'in expression starting at /app/run.jl:3',
      'cuMemcpyHtoDAsync_v2 at /usr/lib/x86_64-linux-gnu/libcuda.so (unknown line)',
    ],
  },
  {
    name: 'forrtl',
    frame: 'module_mp_thompso in wrf.exe',
    log: [
      'forrtl: severe (174): SIGSEGV, segmentation fault occurred',
      'Image              PC                Routine            Line        Source',
      'libifcoremt.so.5   00007F1234567890  for__signal_handl     Unknown  Unknown',
      'libpthread-2.17.s  00007F1234567890  Unknown               Unknown  Unknown',
      'wrf.exe            0000000001234567  module_mp_thompso        1234  module_mp_thompson.f90',
    ],
  },
  {
    name: 'gfortran',
    frame: 'solve_',
    log: [
      'Program received signal SIGSEGV: Segmentation fault - invalid memory reference.',
      '',
      'Backtrace for this error:',
      '#0  0x7f8e in ???',
      '#1  0x7f8e in ???',
      '#2  0x40 in solve_',
      '\tat /app/solve.f90:12',
    ],
  },
  { name: 'bare', frame: undefined, log: ['Segmentation fault (core dumped)'] },
  {
    name: 'rust panic',
    frame: undefined,
    log: [
      "thread 'main' panicked at src/main.rs:3:5:",
      'index out of bounds: the len is 3 but the index is 7',
      'stack backtrace:',
      '   0: rust_begin_unwind',
    ],
  },
  {
    name: 'kernel',
    frame: undefined,
    log: [
      '[1234.5] python3[77]: segfault at 0 ip 00007f sp 00007f error 4 in libcuda.so.535.104.05[7f00+1b00]',
    ],
  },
])('$name: $frame', ({ frame, log }) => {
  const entries = read(...log).filter(({ id }) => id === 'crash');
  expect(entries.map(entry => entry.frame)).toEqual(entries.map(() => frame));
  expect(entries).not.toEqual([]);
});

test('an error that is no crash has none', () => {
  const log = ['ValueError: bad', '[n7:1] [ 1] /opt/libnccl.so.2(ncclGroupEnd+0x3f)[0x7f8e]'];
  expect(read(...log)[0]).not.toHaveProperty('frame');
});
