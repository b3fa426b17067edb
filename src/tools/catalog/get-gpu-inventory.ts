import * as z from 'zod';
import { summaryLine } from '../../contract/answer.ts';
import type { NodeFacts } from '../../findings/facts.ts';
import { countReadings } from '../../findings/support/readings.ts';
import { HEAD, head } from '../head.ts';
import { factoredGpus, foldedGpus } from '../support/folded-gpus.ts';
import { ALL_FIELDS, SUMMARY_FIELDS } from '../support/gpu-fields.ts';
import {
  GpuRow,
  gpuLine,
  gpuRows,
  gpuSelector,
  migLines,
  selectRows,
} from '../support/gpu-rows.ts';
import { NodeRow, nodeLine, nodeRow } from '../support/node-row.ts';
import { inFull } from '../support/outline.ts';
import { processRows } from '../support/process-rows.ts';
import { hostnameOf, readNode } from '../support/read-node.ts';
import { keptLines, Readings, readingsOf, readLine } from '../support/searched.ts';
import { defineTool } from '../tool.ts';

export const getGpuInventory = defineTool({
  name: 'get_gpu_inventory',
  title: 'GPU inventory',
  description:
    'Lists the GPUs: index, UUID, PCI address, serial, memory, temperature, power, clocks, utilization, ECC, PCIe, MIG. ' +
    'One that the driver has lost stays in the list with its error. For what is wrong ask triage_gpu_node.',
  input: z.strictObject({
    gpu: gpuSelector,
    detail: z
      .enum(['summary', 'full'])
      .default('summary')
      .describe('full: every reading, and processes.'),
  }),
  output: z.strictObject({
    ...HEAD,
    host: NodeRow,
    gpuCount: z.int().min(0).describe('GPUs that any layer sees, lost ones included.'),
    gpus: z.array(GpuRow),
    readings: Readings,
  }),
  async observe(input, instruments, signal) {
    const full = input.detail === 'full';
    const facts = full
      ? await readNode(instruments, undefined, signal, 'all', ['migProfiles'])
      : await readNode(instruments, undefined, signal, 'first');
    const fields = full ? ALL_FIELDS : SUMMARY_FIELDS;
    const all = gpuRows(facts, fields);
    const rows = selectRows(all, input.gpu);
    const broken = all.filter(row => row.error !== undefined);
    const gpus = full ? rows.map(row => withProcesses(facts, row)) : [...rows];
    const { initialized, unresponsive } = facts.driver;
    const summary = unresponsive
      ? `The driver does not answer (${unresponsive.call}); ${all.length} GPUs are known.`
      : initialized.ok
        ? `${all.length} GPUs${broken.length > 0 ? `, ${broken.length} of them cannot be opened (${[...new Set(broken.map(row => row.error))].join(', ')})` : ', all can be opened'}.`
        : `NVML cannot be used: ${initialized.reason}. ${all.length} GPUs on the PCI bus.`;
    return {
      ...head(instruments, hostnameOf(facts), summary),
      host: nodeRow(facts, instruments.node),
      gpuCount: all.length,
      gpus,
      readings: readingsOf(facts, countReadings(facts)),
    };
  },
  forModel(facts, input) {
    const { gpus, ...rest } = facts;
    if (input.detail === 'full') return inFull({ ...rest, gpus: factoredGpus(gpus) });
    const rows = gpus.map(({ memory, migMode, ...row }) => ({
      ...row,
      ...(memory && { memory: { usedBytes: memory.usedBytes, totalBytes: memory.totalBytes } }),
      ...(migMode?.current && { mig: true }),
    }));
    return inFull({ ...rest, gpus: foldedGpus(rows, { boards: true }) });
  },
  lines(facts) {
    const nowMs = Date.parse(facts.takenAt);
    return [
      summaryLine(facts),
      ...facts.gpus.flatMap(gpu => [gpuLine(gpu), ...migLines(gpu)]),
      nodeLine(facts.host),
      readLine(facts.readings),
      ...keptLines(facts.readings.kept, nowMs),
    ];
  },
});

const PROCESSES_MAX = 24;

function withProcesses(facts: NodeFacts, row: GpuRow): GpuRow {
  const gpu = facts.driver.gpus.find(({ index }) => index === row.index);
  const processes = gpu && processRows(facts, gpu);
  return processes ? { ...row, processes: processes.slice(0, PROCESSES_MAX) } : row;
}
