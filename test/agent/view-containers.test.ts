import { expect, test } from 'vitest';
import { keepingReadings } from '../../src/agent/read-lately.ts';
import { viewedContainers } from '../../src/agent/view-containers.ts';
import { known, missing, present } from '../../src/contract/reading.ts';
import { instrumentsOf, machineOf } from '../fakes/instruments.ts';

const { signal } = new AbortController();

/** What containers of all pods of a machine see, where nothing holds a GPU and the driver begins so. */
async function viewed(name: string, initialized: object) {
  const given = instrumentsOf(name);
  const instruments = {
    ...given,
    nvml: {
      ...given.nvml,
      read: async (...asked: Parameters<typeof given.nvml.read>) => ({
        ...(await given.nvml.read(...asked)),
        ...initialized,
      }),
    },
  };
  const views = known(machineOf(name).host.containers) ?? [];
  const pods = [...new Set(views.map(({ podUid }) => podUid))];
  return viewedContainers(keepingReadings(instruments), { pods }, signal);
}

test('whether a new pod or a reboot helps is told by the driver, also of pods that triage did not look into', async () => {
  const stale = await viewed('stale-container', { initialized: present(true) });
  expect(stale.faults).toContainEqual(
    expect.objectContaining({ kind: 'libraries', action: 'restart_app' }),
  );
  const mismatched = { initialized: missing('lib_rm_version_mismatch') };
  const both = await viewed('stale-container', mismatched);
  expect(both.faults).toContainEqual(
    expect.objectContaining({ kind: 'libraries', action: 'reboot_node' }),
  );
});
