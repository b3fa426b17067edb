import type { Conceal } from '../contract/kernel-record.ts';
import { plainText } from '../contract/untrusted.ts';
import type { Names } from './names.ts';
import { processToken } from './public-words.ts';

/** No parsed record is longer. */
const CHARACTERS_MAX = 4_096;

/**
 * Takes the names out of a kernel line that was read already: the process wherever the line names
 * it, and cgroups but for the pod UIDs and container ids in them.
 */
export const concealing =
  (names: Names): Conceal =>
  ({ kind, process, text, details }) => {
    const token = process === null ? null : processToken(names, process);
    const clean = (words: string): string => {
      const plain = plainText(words, CHARACTERS_MAX);
      const own = process === null ? unread(plain) : replaced(plain, process, token ?? '');
      return own.replace(CGROUPS, (_all, key: string, path: string) => {
        return `${key}=${cgroupToken(names, path)}`;
      });
    };
    return {
      kind,
      process: token,
      text:
        kind === 'xid_unreadable' ? 'NVRM: Xid (text withheld: it cannot be read)' : clean(text),
      details: cleanFacts(details, (key, value) =>
        key === 'task_memcg' ? cgroupToken(names, value) : clean(value),
      ),
    };
  };

/** Every place where the name stands alone: after `name=`, within `(...)` or `[...]`, at the start. */
function replaced(text: string, name: string, token: string): string {
  const literal = name.replaceAll(/[\\^$.*+?()[\]{}|/-]/g, '\\$&');
  return text.replaceAll(new RegExp(`(?<![\\w-])${literal}(?![\\w-])`, 'g'), () => token);
}

/** A line of which no process was read may still name one in the driver's form. */
const unread = (text: string): string =>
  text.replaceAll(/\b(name|comm|task)=(?!'?<unknown>)[^,]*/gi, '$1=withheld');

const CGROUPS = /\b(cpuset|oom_memcg|task_memcg)=([^,]*)/g;

/** Parts of a cgroup's path that systemd, the kubelet and the runtimes give, not a tenant. */
const PUBLIC_PART =
  /^(?:|kubepods|besteffort|burstable|docker|(?:system|user|machine|init|kubelet|runtime|kubepods)(?:\.slice|\.scope)?|kubepods[a-z-]*(?:-pod[0-9a-f_]{32,36})?\.slice|kubelet-kubepods[a-z-]*(?:-pod[0-9a-f_]{32,36})?\.slice|pod[0-9a-f-]{32,36}|(?:(?:cri-containerd|crio|crio-conmon|docker|libpod)[-:])?[0-9a-f]{64}(?:\.scope)?|user-\d+\.slice|session-\d+\.scope|(?:kubelet|containerd|crio|docker|chronyd|systemd-timesyncd|nvidia-persistenced|nvidia-fabricmanager|dcgm-exporter)\.service)$/;
/** Which runtime made a cgroup: rules ask whether a process is in a container at all. */
const RUNTIME = /kubepods|cri-?o|containerd|docker|libpod/;

/** A cgroup's path with the parts that someone named as tokens. */
export const cgroupToken = (names: Names, path: string): string =>
  path
    .split('/')
    .map(part => {
      if (PUBLIC_PART.test(part)) return part;
      const runtime = RUNTIME.exec(part)?.[0];
      const suffix = /\.(?:service|scope|slice)$/.exec(part)?.[0] ?? '';
      return `${runtime === undefined ? '' : `${runtime}-`}${names.token('cg', part)}${suffix}`;
    })
    .join('/');

type Clean = (key: string, value: string) => string;

function cleanFacts(facts: Readonly<Record<string, unknown>>, clean: Clean) {
  const cleaned = (key: string, value: unknown): unknown => {
    if (typeof value === 'string') return clean(key, value);
    if (Array.isArray(value)) return value.map(each => cleaned(key, each));
    if (typeof value === 'object' && value !== null) return cleanFacts({ ...value }, clean);
    return value;
  };
  return Object.fromEntries(
    Object.entries(facts).map(([key, value]) => [key, cleaned(key, value)] as const),
  );
}
