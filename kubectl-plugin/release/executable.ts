/** The entry of a single executable: the plugin, and by a hidden first word its other processes. */
const HALVES: Readonly<Record<string, () => Promise<unknown>>> = {
  __agent: () => import('../../src/agent/main.ts'),
  '__nvml-agent': () => import('../../src/agent/nvml-main.ts'),
};
const half = HALVES[process.argv[2] ?? ''];
if (half === undefined) await import('../../src/cli/main.ts');
else {
  process.argv.splice(2, 1);
  await half();
}
