import { MISMATCH, NOT_CALLED, PROBE } from './driver-verdicts.ts';
import { note } from './plain-verdict.ts';
import { type Line, line } from './verdict.ts';

/** How a message looks once its line breaks are gone, and what is read from it. */
export type Form = readonly [form: RegExp, read: (found: RegExpExecArray) => Line];

export const form = (source: string): RegExp => new RegExp(source, 'i');

/** Messages on the driver's software rather than on one GPU: versions, loading, ownership. */
export const SOFTWARE_FORMS: readonly Form[] = [
  [
    form(
      `^API mismatch: the client (?:'([^']*)' \\(pid (\\d{1,7})\\) )?has the version (\\S+?),?(?: but (?:this )?kernel module has the version (\\S+?)\\.?(?: Please.*)?)?(?: but)?$`,
    ),
    ([, name, pid, client, module]) =>
      line({
        kind: 'api_mismatch',
        pid: pid === undefined ? null : Number(pid),
        process: name ?? null,
        rank: 36,
        details: { client: client ?? null, module: module ?? null },
        verdict: MISMATCH,
      }),
  ],
  [
    form(
      `^loading NVIDIA UNIX (Open )?(?:Kernel Module for )?(\\S+)\\s+(?:Kernel Module\\s+)?(\\d+\\.\\d+(?:\\.\\d+)*)`,
    ),
    ([, open, architecture, version]) =>
      line({
        kind: 'driver_load',
        role: 'background',
        rank: 0,
        details: { version, open: open !== undefined, architecture },
        verdict: note(
          'Driver loaded',
          'The driver was loaded; XIDs before it belong to another load.',
        ),
      }),
  ],
  [
    form(`^The NVIDIA probe routine (failed for|was not called for) (\\d+) device`),
    ([, how = '', count]) =>
      line({
        kind: how.startsWith('failed') ? 'probe_failed' : 'probe_not_called',
        rank: how.startsWith('failed') ? 35 : 34,
        details: { devices: Number(count) },
        verdict: how.startsWith('failed') ? PROBE : NOT_CALLED,
      }),
  ],
  [
    form(`^Persistence mode is deprecated`),
    () =>
      line({
        kind: 'persistence_deprecated',
        role: 'background',
        rank: 0,
        verdict: note('Persistence mode notice', 'The driver recommends nvidia-persistenced.'),
      }),
  ],
];
