import { describe, expect, test } from 'vitest';
import { known } from '../../src/contract/reading.ts';
import { CONTAINER_ID, LAYOUTS, layoutTree, UID } from './layouts.ts';
import { node } from './tree.ts';

describe.each(LAYOUTS)('$name', layout => {
  const { expected } = layout;
  const open = (see: 'whole' | 'mounts' | 'pod') => {
    const { files, links } = layoutTree(layout, see);
    return node(files, links);
  };

  const seen = ['whole', 'pod'] as const;
  test.each(seen)('seen %s: system, disk, runtime, CDI specs and daemons', async see => {
    const state = await open(see).read();
    expect(known(state.os)).toBe(expected.os);
    const disks = known(state.resources.filesystems) ?? [];
    expect(disks[0]).toMatchObject({
      mountPoint: '/',
      readOnly: expected.readOnlyByDesign,
      readOnlyByDesign: expected.readOnlyByDesign,
    });
    const runtimes = known(state.containerToolkit.runtimes) ?? [];
    expect(runtimes.map(({ path, nvidiaHandler }) => [path, nvidiaHandler])).toEqual(
      expected.runtimes,
    );
    const kinds = (known(state.containerToolkit.cdiSpecs) ?? []).map(({ kind }) => kind);
    expect(kinds.toSorted()).toEqual(expected.cdiKinds);
    expect(known(state.resources.timeSync)?.daemon).toBe(expected.timeDaemon);
    const persistenced = known(state.daemons)?.find(({ kind }) => kind === 'persistenced');
    expect(persistenced && persistenced.podUid !== undefined).toBe(expected.persistencedInPod);
    expect(known(state.pods.checkpoint)).toMatchObject([
      { namespace: 'ml', pod: 'trainer-0', podUid: UID, source: 'checkpoint' },
    ]);
  });

  test.each(['whole', 'mounts'] as const)('seen %s, a process has its pod', async see => {
    const [owner] = await open(see).host.processOwners([41], new AbortController().signal);
    expect(owner).toMatchObject({
      podUid: UID,
      containerId: CONTAINER_ID,
      namespace: 'ml',
      pod: 'trainer-0',
      container: 'main',
    });
  });

  test('through the pod’s mounts alone, what is not mounted was not read', async () => {
    const { containerToolkit, resources, pods } = await open('mounts').read();
    const { cdiSpecs, runtimes } = containerToolkit;
    for (const reading of [cdiSpecs, resources.sharedMemory, pods.checkpoint]) {
      expect(reading).toMatchObject({ ok: false, reason: 'not_read' });
    }
    // The operator's toolkit lies below /usr, which is mounted.
    expect(known(runtimes)?.map(({ runtime }) => runtime) ?? []).toEqual(
      layout.name === 'gpu-operator' ? ['nvidia_toolkit'] : [],
    );
  });
});
