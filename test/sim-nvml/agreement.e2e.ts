import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import * as z from 'zod';
import { MISSING_REASONS } from '../../src/contract/reading.ts';
import type { DriverState, Nvml } from '../../src/nvml/port.ts';
import { RETURN_CODES } from '../../src/nvml/table/return-codes.ts';
import { GPU_TYPES } from '../../src/simulation/gpu-types.ts';
import {
  loadMachine,
  MACHINE_NAMES,
  type Machine,
  machineFrom,
} from '../../src/simulation/machine.ts';
import { overProcesses } from '../nvml/children.ts';
import { inProcessNvml } from '../simulation/in-process.ts';
import { buildSimulatedLibrary, pythonWithClient } from './build.ts';
import { type Question, questionsOf } from './questions.ts';
import { LIBRARY_ON_NODE, simulatedRoot } from './root.ts';

const never = new AbortController().signal;
const AGREEMENT = new URL('./agreement.py', import.meta.url).pathname;
const ASK_LIBRARY = new URL('./ask-library.ts', import.meta.url).pathname;

const library = await buildSimulatedLibrary();
const python = await pythonWithClient();

/** What can be compared: the client hangs where the machine does, and has no library to load. */
const answering = (machine: Machine): boolean =>
  machine.library !== null &&
  !machine.gpus.some(({ faults }) => Object.values(faults).some(({ hang }) => hang));

/** 29 GPUs, each with another return code in all of its functions, one with a strange name. */
const everyReturnCode = machineFrom('every-return-code', {
  like: 'dgx-h100',
  gpus: [
    ...MISSING_REASONS.filter(reason => RETURN_CODES[reason] !== undefined).map(reason => ({
      // These are answers to the caller's own doing: how much room it gave, which version it wants.
      faults: ['insufficient_size', 'function_not_found', 'argument_version_mismatch'].includes(
        reason,
      )
        ? {}
        : { '*': { return: reason }, deviceGetHandleByIndex: {} },
    })),
    {
      answers: {
        deviceGetName: 'NVIDIA Ünïcode 100% ☃',
        deviceGetCurrentClocksEventReasons: 0x1ff,
        'deviceGetTotalEccErrors corrected volatile': '9007199254740991',
        deviceGetPowerUsage: 4294967294,
        deviceGetComputeMode: 3,
        deviceGetPerformanceState: 15,
        'deviceGetRetiredPages doubleBit': ['18446744073709551615', 4096],
        deviceGetComputeRunningProcesses: Array.from({ length: 200 }, (_, place) => ({
          pid: 100_000 + place,
          usedGpuMemory: place === 0 ? '18446744073709551615' : place * 1_048_576,
          gpuInstanceId: place % 7,
          computeInstanceId: 4294967295,
        })),
        // More than the first try has room for. (The client fails at a size that is not available.)
        deviceGetRunningProcessDetailList: Array.from({ length: 150 }, (_, place) => ({
          pid: 100_100 + place,
          usedGpuMemory: place * 1_048_576,
          usedGpuCcProtectedMemory: place * 4_096,
        })),
        deviceGetVirtualizationMode: 3,
        deviceGetHostVgpuMode: 1,
        deviceGetSramEccErrorStatus: { volatileUncSecDed: 1, aggregateUncParity: 3 },
        deviceGetSramUniqueUncorrectedEccErrorCounts: Array.from({ length: 70 }, (_, place) => ({
          unit: place,
          location: 2,
          address: 4_096 * place,
          isParity: place % 2,
          count: (place * 7) % 64,
        })),
        'gpmMetric smActivePercent': 2.875,
      },
      faults: { 'gpmMetric fp64ActivePercent': { return: 'no_permission' } },
    },
  ],
});

const types = GPU_TYPES.filter(name => !MACHINE_NAMES.includes(name)).map(name =>
  machineFrom(name, { like: name }),
);
/** Two programs that read one after the other see what moves at two places: here nothing moves. */
const still = (machine: Machine): Machine => ({
  ...machine,
  driver: { ...machine.driver, moves: {} },
  gpus: machine.gpus.map(gpu => ({ ...gpu, moves: {} })),
});
const machines = [
  ...[...MACHINE_NAMES.map(loadMachine).filter(answering), ...types].map(still),
  everyReturnCode,
];

test.each(machines)('NVIDIA’s Python client gets the answers of $name that we get', machine => {
  const { folder } = simulatedRoot(library, machine);
  const questions = questionsOf(machine);
  const input = JSON.stringify(questions);
  const client = answers(python, [AGREEMENT], input, {
    ...{ LD_LIBRARY_PATH: folder, PYTHONDONTWRITEBYTECODE: '1' },
  });
  const ours = answers(process.execPath, [ASK_LIBRARY, `${folder}/libnvidia-ml.so.1`], input);
  expect(ours).toHaveLength(questions.length);
  expect(paired(questions, client)).toEqual(paired(questions, ours));
});

test.each(machines)(
  'the library in C and the simulation in TypeScript tell $name alike',
  async machine => {
    const { root } = simulatedRoot(library, machine);
    const { nvml } = overProcesses(['host', root]);
    const inC = await readAll(nvml);
    await nvml.close();
    const inTypeScript = await readAll(inProcessNvml(machine).nvml);
    expect(inC.library).toEqual({ ok: true, value: LIBRARY_ON_NODE });
    expect(comparable(inC)).toEqual(comparable(inTypeScript));
  },
);

/** All that there is to read; the second time, when GPM has two samples. */
async function readAll(nvml: Nvml): Promise<DriverState> {
  await nvml.read(never, 'first', ['gpm']);
  return nvml.read(never, 'all', ['gpm', 'migProfiles', 'nvlinkTraffic']);
}

/** Without what only one of the two has: our time, our library's path, our details. */
function comparable({ takenAtMs: _, library: __, ...state }: DriverState): unknown {
  return JSON.parse(
    JSON.stringify(state, (key, value: unknown) => (key === 'detail' ? undefined : value)),
  );
}

/** What a program answers to questions on its stdin. */
function answers(file: string, args: string[], input: string, env: Record<string, string> = {}) {
  const stdout = execFileSync(file, args, { input, env, encoding: 'utf8', maxBuffer: 1 << 28 });
  return z.array(z.unknown()).parse(JSON.parse(stdout));
}

/** Each answer with its call, without members that the client's structs do not have. */
const paired = (questions: readonly Question[], given: readonly unknown[]) =>
  questions.map(({ symbol, inputs }, place) => ({
    call: `${symbol} ${JSON.stringify(inputs).slice(0, 80)}`,
    answer: JSON.parse(JSON.stringify(given[place]), (key, value: unknown) =>
      key.includes('[') || key === 'version' || key === 'device' ? undefined : value,
    ),
  }));
