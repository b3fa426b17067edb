import b200 from './machines/b200.json' with { type: 'json' };
import dgxH100 from './machines/dgx-h100.json' with { type: 'json' };
import eccRowRemap from './machines/ecc-row-remap.json' with { type: 'json' };
import gb200 from './machines/gb200.json' with { type: 'json' };
import healthyT4 from './machines/healthy-t4.json' with { type: 'json' };
import hungDriver from './machines/hung-driver.json' with { type: 'json' };
import lostGpu from './machines/lost-gpu.json' with { type: 'json' };
import migA100 from './machines/mig-a100.json' with { type: 'json' };
import noDriver from './machines/no-driver.json' with { type: 'json' };
import versionMismatch from './machines/version-mismatch.json' with { type: 'json' };

/** The machines that `--simulate` knows by name, as their files tell them, in the order of the help. */
export const BUILT_IN: Readonly<Record<string, unknown>> = {
  'dgx-h100': dgxH100,
  'lost-gpu': lostGpu,
  'no-driver': noDriver,
  'hung-driver': hungDriver,
  'ecc-row-remap': eccRowRemap,
  'version-mismatch': versionMismatch,
  'mig-a100': migA100,
  'healthy-t4': healthyT4,
  b200: b200,
  gb200: gb200,
};
