/** The machines that `--simulate` knows; apart from their data, so that a name costs no loading. */
export const MACHINE_NAMES: readonly string[] = [
  'dgx-h100',
  'lost-gpu',
  'no-driver',
  'hung-driver',
  'ecc-row-remap',
  'version-mismatch',
  'mig-a100',
  'healthy-t4',
  'b200',
  'gb200',
];
