import * as z from 'zod';
import { known } from '../contract/reading.ts';
import { countReadings } from '../findings/diagnosis.ts';
import { hostnameOf, readNode } from './facts.ts';
import {
  ALL_FIELDS,
  GpuRow,
  gpuRows,
  gpuSelector,
  SUMMARY_FIELDS,
  selectRows,
} from './gpu-rows.ts';
import { gpuLine, nodeLine } from './lines.ts';
import { NodeRow, nodeRow } from './node-row.ts';
import { defineTool, HEAD, head } from './tool.ts';

export const getGpuInventory = defineTool({
  name: 'get_gpu_inventory',
  title: 'GPU inventory',
  description:
    'Lists the GPUs of this node: index, UUID, PCI address, serial, memory, temperature, power, clocks, utilization, ECC, PCIe, MIG and running processes. ' +
    'A GPU that the driver has lost stays in the list with its error. ' +
    'Ask it for what is there and what it is doing now; ask get_gpu_health or triage_gpu_node for what is wrong.',
  input: z.strictObject({
    gpu: gpuSelector,
    detail: z
      .enum(['summary', 'full'])
      .default('summary')
      .describe(
        'full adds every reading (clocks, limits, VBIOS, ECC, retired pages) and processes.',
      ),
  }),
  output: z.strictObject({
    ...HEAD,
    host: NodeRow,
    gpuCount: z.int().min(0).describe('GPUs that any layer sees, lost ones included.'),
    gpus: z.array(GpuRow),
    readings: z.strictObject({ tried: z.int(), got: z.int() }),
  }),
  async observe(input, instruments, signal) {
    const facts = await readNode(instruments, undefined, signal);
    const fields = input.detail === 'full' ? ALL_FIELDS : SUMMARY_FIELDS;
    const all = gpuRows(facts, fields);
    const rows = selectRows(all, input.gpu);
    const broken = all.filter(row => row.error !== undefined);
    const gpus =
      input.detail === 'full'
        ? await Promise.all(rows.map(row => withProcesses(row, facts.driver, instruments)))
        : [...rows];
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
      readings: countReadings(facts),
    };
  },
  text(facts) {
    return [
      facts.summary,
      ...facts.gpus.map(gpuLine),
      nodeLine(facts.host),
      `read ${facts.readings.got} of ${facts.readings.tried} driver readings`,
    ].join('\n');
  },
});

type Source = Parameters<typeof gpuRows>[0]['driver'];
type Named = Parameters<typeof head>[0];

async function withProcesses(row: GpuRow, driver: Source, instruments: Named): Promise<GpuRow> {
  const reading = driver.gpus.find(gpu => gpu.index === row.index)?.processes;
  const processes = known(reading);
  if (!processes) return row;
  const named = await Promise.all(
    processes.slice(0, 64).map(async process => {
      const name = known(await instruments.host.processName(process.pid));
      return { ...process, ...(name === undefined ? {} : { name }) };
    }),
  );
  return { ...row, processes: named };
}
