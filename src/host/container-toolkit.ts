import { join } from 'node:path';
import * as z from 'zod';
import { known, missing, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { eachOf, type NodeFiles, pathInRoot } from './files.ts';
import type { CdiSpec, ContainerToolkit, RuntimeConfiguration } from './port.ts';
import type { NodeRoot } from './root.ts';

const SPEC_BYTES_MAX = 1024 * 1024;
const SPECS_MAX = 32;
const DEVICES_MAX = 256;
const CDI_DIRECTORIES = ['/etc/cdi', '/var/run/cdi'];
const RUNTIMES: readonly { path: string; runtime: RuntimeConfiguration['runtime'] }[] = [
  { path: '/etc/containerd/config.toml', runtime: 'containerd' },
  { path: '/etc/containerd/conf.d/99-nvidia.toml', runtime: 'containerd' },
  { path: '/var/lib/rancher/k3s/agent/etc/containerd/config.toml', runtime: 'containerd' },
  { path: '/var/lib/rancher/rke2/agent/etc/containerd/config.toml', runtime: 'containerd' },
  // Talos.
  { path: '/etc/cri/conf.d/cri.toml', runtime: 'containerd' },
  { path: '/etc/crio/crio.conf', runtime: 'cri-o' },
  { path: '/etc/crio/crio.conf.d/99-nvidia.conf', runtime: 'cri-o' },
  { path: '/etc/crio/crio.conf.d/99-nvidia.toml', runtime: 'cri-o' },
  { path: '/etc/docker/daemon.json', runtime: 'docker' },
  { path: '/etc/nvidia-container-runtime/config.toml', runtime: 'nvidia_toolkit' },
  {
    path: '/usr/local/nvidia/toolkit/.config/nvidia-container-runtime/config.toml',
    runtime: 'nvidia_toolkit',
  },
];

/** How containers get their GPUs: CDI specs and what the runtimes are told. */
export async function readContainerToolkit(
  files: NodeFiles,
  root: NodeRoot,
): Promise<ContainerToolkit> {
  return { cdiSpecs: await readCdiSpecs(files, root), runtimes: await readRuntimes(files, root) };
}

async function readCdiSpecs(
  files: NodeFiles,
  root: NodeRoot,
): Promise<Reading<readonly CdiSpec[]>> {
  if (!root.whole) return root.orNotMounted(missing('not_found'));
  const specs = await eachOf(CDI_DIRECTORIES, async directory => {
    const path = await pathInRoot(files, root.path, directory);
    const names = known(await files.names(path)) ?? [];
    const own = names.filter(name => /nvidia.*\.(?:ya?ml|json)$/.test(name)).slice(0, SPECS_MAX);
    return eachOf(own, async name => {
      const text = await files.text(join(path, name), SPEC_BYTES_MAX);
      return text.ok ? [cdiSpec(`${directory}/${name}`, text.value)] : [];
    });
  });
  return present(specs.flat(2));
}

/**
 * Kind, device names and driver versions of a CDI spec, JSON or YAML, by the lines that tell them:
 * the toolkit writes one key a line and nothing else of the file is of interest.
 */
export function cdiSpec(path: string, text: string): CdiSpec {
  const kind = /^\s*"?kind"?:\s*"?([\w./-]{1,128})"?,?\s*$/m.exec(text)?.[1] ?? '';
  // Devices stand before the edits that all have in common, whose hooks and mounts have no names.
  const devices = [...text.matchAll(/^\s*-?\s*"?name"?:\s*"?([\w.:-]{1,128})"?,?\s*$/gm)];
  const versions = [...text.matchAll(/lib(?:cuda|nvidia-ml)\.so\.(\d{3,4}(?:\.\d{1,4}){1,2})/g)];
  return {
    path,
    kind,
    devices: [...new Set(devices.map(([, name = '']) => plainText(name, 128)))].slice(
      0,
      DEVICES_MAX,
    ),
    driverVersions: [...new Set(versions.map(([, version = '']) => version))].toSorted(),
  };
}

async function readRuntimes(
  files: NodeFiles,
  root: NodeRoot,
): Promise<Reading<readonly RuntimeConfiguration[]>> {
  const found = await eachOf(RUNTIMES, async ({ path, runtime }) => {
    const text = await files.text(await pathInRoot(files, root.path, path));
    return text.ok ? [runtimeConfiguration({ path, runtime, text: text.value })] : [];
  });
  const configurations = found.flat();
  if (configurations.length === 0 && !root.whole) return root.orNotMounted(missing('not_found'));
  return present(configurations);
}

const DockerConfiguration = z.object({
  runtimes: z.record(z.string(), z.unknown()).optional(),
  'default-runtime': z.string().optional(),
  features: z.object({ cdi: z.boolean().optional() }).optional(),
  'exec-opts': z.array(z.string()).optional(),
});

/** What one file of a runtime says of nvidia. Comments do not count. */
export function runtimeConfiguration({
  path,
  runtime,
  text,
}: Pick<RuntimeConfiguration, 'path' | 'runtime'> & {
  readonly text: string;
}): RuntimeConfiguration {
  if (runtime === 'docker') return dockerConfiguration(path, text);
  const lines = text
    .split('\n')
    .filter(line => !/^\s*#/.test(line))
    .join('\n');
  const defaultName = /^\s*default_runtime(?:_name)?\s*=\s*"([^"]*)"/m.exec(lines)?.[1];
  const setting = (name: string) =>
    new RegExp(`^\\s*${name}\\s*=\\s*(true|false)\\b`, 'm').exec(lines)?.[1];
  const [cdi, systemd] = [setting('enable_cdi'), setting('SystemdCgroup')];
  return {
    path,
    runtime,
    nvidiaHandler:
      runtime === 'nvidia_toolkit' || /^\s*\[.*runtimes\.["']?nvidia["']?[\].]/m.test(lines),
    ...(defaultName === undefined ? {} : { defaultIsNvidia: defaultName === 'nvidia' }),
    ...(cdi === undefined ? {} : { cdiEnabled: cdi === 'true' }),
    ...(systemd === undefined ? {} : { systemdCgroup: systemd === 'true' }),
  };
}

function dockerConfiguration(path: string, text: string): RuntimeConfiguration {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    json = undefined;
  }
  const parsed = DockerConfiguration.safeParse(json);
  const found = parsed.success ? parsed.data : {};
  const driver = found['exec-opts']?.find(option => option.startsWith('native.cgroupdriver='));
  return {
    path,
    runtime: 'docker',
    nvidiaHandler: found.runtimes?.['nvidia'] !== undefined,
    ...(found['default-runtime'] === undefined
      ? {}
      : { defaultIsNvidia: found['default-runtime'] === 'nvidia' }),
    ...(found.features?.cdi === undefined ? {} : { cdiEnabled: found.features.cdi }),
    ...(driver === undefined ? {} : { systemdCgroup: driver.endsWith('=systemd') }),
  };
}
