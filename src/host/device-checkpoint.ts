import * as z from 'zod';
import { missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { CHECKPOINTS } from './beyond-mounts.ts';
import type { NodeRoot } from './root.ts';

/** A device plugin's answer is stored with each entry, so the file is larger than its names. */
const BYTES_MAX = 4 * 1024 * 1024;

const text = (charactersMax: number) => z.string().transform(raw => plainText(raw, charactersMax));
const ids = z.array(text(128));

/** kubelet cm/devicemanager/checkpoint: by NUMA node since 1.20, a plain list before. */
const Checkpoint = z.object({
  Data: z.object({
    PodDeviceEntries: z
      .array(
        z.object({
          PodUID: text(64),
          ContainerName: text(63),
          ResourceName: text(253),
          DeviceIDs: z
            .union([ids, z.record(z.string(), ids.nullable())])
            .nullable()
            .transform(found =>
              Array.isArray(found) ? found : Object.values(found ?? {}).flatMap(each => each ?? []),
            ),
        }),
      )
      .nullable()
      .transform(entries => entries ?? []),
    RegisteredDevices: z
      .record(z.string(), ids.nullable())
      .nullish()
      .transform(devices => devices ?? {}),
  }),
});
export type DeviceCheckpoint = z.infer<typeof Checkpoint>['Data'];

/**
 * The kubelet's own record of who got which device. It keeps pods that are gone, and tells what was
 * there before a crash.
 */
export async function readDeviceCheckpoint(root: NodeRoot): Promise<Reading<DeviceCheckpoint>> {
  let content: Reading<string> = missing('not_found');
  for (const path of CHECKPOINTS) {
    content = await root.text(path, BYTES_MAX);
    if (content.ok || content.reason !== 'not_found') break;
  }
  if (!content.ok) return content;
  const parsed = Checkpoint.safeParse(jsonOf(content.value));
  return parsed.success ? present(parsed.data.Data) : missing('unreadable', 'unknown form');
}

/** Undefined where the text is no JSON: cut, or written to while we read. */
function jsonOf(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return undefined;
  }
}
