import * as z from 'zod';
import { number, reading, text, yes } from '../../contract/reading-schema.ts';
import { gpuPair } from './links.ts';
import type { FieldRow } from './row.ts';

/** The driver as a whole. reader/read.ts asks for these in this order. */
// biome-ignore format: a table
export const DRIVER = {
  /** The library in use, as a path on the node. */
  library:             { label: 'library', depth: 'first', counters: true, schema: text },
  /** That nvmlInit_v2 succeeded; else its return code is the reason. */
  initialized:         { label: 'start', depth: 'first', counters: true, schema: yes },
  driverVersion:       { label: 'driver version', depth: 'first', schema: text },
  nvmlVersion:         { label: 'NVML version', depth: 'first', schema: text },
  /** As the driver counts it: 13000 is CUDA 13.0. */
  cudaDriverVersion:   { label: 'CUDA version', depth: 'first', schema: number },
  count:               { label: 'count of GPUs', depth: 'first', counters: true, schema: number },
  confidentialCompute: { label: 'confidential computing', depth: 'all', schema: reading(z.object({
    environment: z.enum(['unavailable', 'simulation', 'production', 'unknown']),
    enabled: z.boolean(),
    devToolsMode: z.boolean(),
  })) },
  /** Every pair of GPUs once; none where there is one GPU. */
  topology:            { label: 'topology', depth: 'all', schema: reading(z.array(gpuPair)) },
} as const satisfies Record<string, FieldRow>;
