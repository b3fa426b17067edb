/**
 * What NVIDIA's runtime says in a message of a container runtime or of the kubelet of why it could not give a
 * container its GPU; undefined where it says nothing, or only others' words do. Those are what is quoted,
 * wherever it is said again (`exec: "a b": stat a b: …`, `failed to resolve reference "c": c: not found`),
 * what a registry answers, and a user that an image names. The text that is returned is of a closed vocabulary.
 */
export function hookWords(message: string): string | undefined {
  const own = withoutQuoted(message).replace(OF_OTHERS, '');
  const [, whole, cut = ''] = OF_CLI.exec(own) ?? [];
  const kind = KINDS.find(each => each === whole || (cut.length >= 3 && each.startsWith(cut)));
  if (kind) return `nvidia-container-cli: ${kind} error`;
  const cdi = CDI.exec(own);
  if (cdi) return ['unresolvable cdi devices', ...(cdi[1] ? [cdi[1].toLowerCase()] : [])].join(' ');
  return OTHERS.find(words => own.toLowerCase().includes(words));
}

/** NVIDIA/libnvidia-container, src/cli: what it names its errors. Not those of what a container asks for. */
const KINDS: readonly string[] = [
  ...['initialization', 'detection', 'driver', 'container', 'mount', 'ldcache', 'permission'],
  'nvml',
];
const OF_CLI = /(?<![\w./-])nvidia-container-cli: (?:([a-z]+) error\b|([a-z]*)…$)/;
const OTHERS = ['nvml error', 'driver/library version mismatch'];
/** Of a device the vendor and the class alone, where they are NVIDIA's: who writes its specification. */
const CDI =
  /unresolvable cdi devices(?: ((?:management\.|runtime\.|k8s\.(?:device-plugin|gpu|compute-domain)\.)?nvidia\.com\/(?:gpu|mig|claim|device))=)?/i;

const OF_OTHERS =
  /(?:unable to find (?:user|group) |non-numeric user \(|failed to (?:pull|inspect|resolve) ).*$/is;

/** Go's %q; of one that a bound has cut the rest. */
const QUOTED = /"((?:[^"\\]|\\.)*)(?:"|$)/;

function withoutQuoted(message: string): string {
  let [rest, own] = [message, ''];
  for (let found = QUOTED.exec(rest); found; found = QUOTED.exec(rest)) {
    const said = (found[1] ?? '').replaceAll(/\\(.)/g, '$1');
    own += `${rest.slice(0, found.index)}""`;
    rest = rest.slice(found.index + found[0].length);
    // A short word, as nvidia, is part of the runtime's own ones.
    if (/[\s/:]|nvidia-container-cli|nvml/i.test(said)) rest = rest.replaceAll(said, '');
  }
  return own + rest;
}
