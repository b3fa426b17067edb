import { known } from '../../contract/reading.ts';
import { plainText } from '../../contract/untrusted.ts';
import type { CdiSpec } from '../../host/port.ts';
import { type Clue, nodeClue } from '../clue.ts';
import type { NodeFacts } from '../facts.ts';
import { rule } from '../rule.ts';

/** How containers get their GPUs: a specification from before an upgrade, and devices that get lost. */
export const containerToolkit = rule(
  'container-toolkit',
  {
    host: {
      decides: ['moduleVersion', 'containerToolkit.cdiSpecs'],
      tells: ['containerToolkit.runtimes', 'driverFiles.charLinks'],
    },
  },
  facts => [...staleCdi(facts), ...lostAfterReload(facts)],
);

function staleCdi(facts: NodeFacts): readonly Clue[] {
  const loaded = known(facts.host.moduleVersion);
  if (loaded === undefined) return [];
  const specs = known(facts.host.containerToolkit.cdiSpecs) ?? [];
  const isFresh = ({ driverVersions }: CdiSpec) => driverVersions.includes(loaded);
  // Of two specifications of one kind the newer directory wins.
  const fresh = new Set(specs.filter(isFresh).map(({ kind }) => kind));
  const stale = specs.filter(
    ({ kind, driverVersions }) => driverVersions.length > 0 && !fresh.has(kind),
  );
  const [first] = stale;
  if (!first) return [];
  return [
    nodeClue('cdi-stale', {
      severity: 'warning',
      component: 'configuration',
      title: `The CDI specification is of driver ${plainText(first.driverVersions.join(', '), 64)}, loaded is ${plainText(loaded, 32)}`,
      action: 'fix_configuration',
      advice:
        'Write it anew (nvidia-ctk cdi generate, or restart the toolkit): containers that use it do not start, or start with the wrong libraries.',
      blame: 'configuration',
      confidence: 'high',
      evidence: stale.slice(0, 4).map(({ path, driverVersions }) => ({
        what: `names libraries of ${plainText(driverVersions.join(', '), 64)}`,
        source: plainText(path, 128),
        command: `grep -o 'libnvidia-ml.so[0-9.]*' ${plainText(path, 128)}`,
      })),
    }),
  ];
}

/** NVIDIA/nvidia-container-toolkit issue 48: `systemctl daemon-reload` takes the devices away. */
function lostAfterReload(facts: NodeFacts): readonly Clue[] {
  const links = known(facts.host.driverFiles.charLinks);
  const runtimes = known(facts.host.containerToolkit.runtimes) ?? [];
  const bySystemd = runtimes.filter(
    ({ systemdCgroup, nvidiaHandler, cdiEnabled }) => systemdCgroup && nvidiaHandler && !cdiEnabled,
  );
  const [first] = bySystemd;
  if (links !== false || !first) return [];
  return [
    nodeClue('devices-lost-on-reload', {
      severity: 'info',
      component: 'configuration',
      title: 'Containers will lose their GPUs at the next systemctl daemon-reload',
      action: 'watch',
      advice:
        'Create the links in /dev/char (nvidia-ctk system create-dev-char-symlinks --create-all) or use CDI.',
      blame: 'configuration',
      confidence: 'medium',
      evidence: [
        {
          what: 'systemd cgroups, no CDI, and no links of NVIDIA devices in /dev/char',
          source: plainText(first.path, 128),
          command: 'ls -l /dev/char | grep nvidia',
        },
      ],
    }),
  ];
}
