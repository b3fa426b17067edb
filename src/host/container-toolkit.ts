import * as z from 'zod';
import { optional } from '../contract/optional.ts';
import { mapReading, present, type Reading } from '../contract/reading.ts';
import { plainText } from '../contract/untrusted.ts';
import { CDI_DIRECTORIES, RUNTIME_FILES } from '../node-root/allowed.ts';
import { eachOf } from './files.ts';
import type { CdiSpec, ContainerToolkit, RuntimeConfiguration } from './port.ts';
import type { NodeRoot } from './root.ts';

const SPEC_BYTES_MAX = 1024 * 1024;
const SPECS_MAX = 32;
const DEVICES_MAX = 256;

/** How containers get their GPUs: CDI specs and what the runtimes are told. */
export async function readContainerToolkit(root: NodeRoot): Promise<ContainerToolkit> {
  return { cdiSpecs: await readCdiSpecs(root), runtimes: await readRuntimes(root) };
}

async function readCdiSpecs(root: NodeRoot): Promise<Reading<readonly CdiSpec[]>> {
  const specs: CdiSpec[] = [];
  for (const directory of CDI_DIRECTORIES) {
    const names = await root.names(directory);
    if (!names.ok && names.reason !== 'not_found') return names;
    const all = names.ok ? names.value : [];
    const own = all.filter(name => /nvidia.*\.(?:ya?ml|json)$/.test(name)).slice(0, SPECS_MAX);
    const read = await eachOf(own, async name => {
      const path = `${directory}/${name}`;
      return mapReading(await root.text(path, SPEC_BYTES_MAX), text => cdiSpec(path, text));
    });
    for (const spec of read) {
      if (spec.ok) specs.push(spec.value);
      // One that is there and cannot be read is not "none"; one that has gone meanwhile is.
      else if (spec.reason !== 'not_found') return spec;
    }
  }
  return present(specs);
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

async function readRuntimes(root: NodeRoot): Promise<Reading<readonly RuntimeConfiguration[]>> {
  const texts = await eachOf(RUNTIME_FILES, async file => ({
    ...file,
    text: await root.text(file.path),
  }));
  const found = texts.flatMap(({ path, runtime, text }) =>
    text.ok ? [runtimeConfiguration({ path, runtime, text: text.value })] : [],
  );
  const unread = texts.flatMap(({ text }) =>
    text.ok || text.reason === 'not_found' ? [] : [text],
  );
  // What is not mounted is known from the start; a file that cannot be read says something of its own.
  const broken = unread.find(({ reason }) => reason !== 'not_read');
  const [first] = found.length === 0 ? unread : [];
  return broken ?? first ?? present(found);
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
    ...optional({ cdiEnabled: found.features?.cdi }),
    ...(driver === undefined ? {} : { systemdCgroup: driver.endsWith('=systemd') }),
  };
}
