/** What one line of the kubelet or of a container runtime says of a container or of its pod. */
export type PodLine =
  | { readonly kind: 'sandbox'; readonly id: string; readonly pod: PodNames }
  | {
      readonly kind: 'created';
      readonly id: string;
      readonly sandbox: string;
      readonly container: string;
    }
  | {
      readonly kind: 'started';
      readonly id: string;
      readonly pid?: number;
      readonly pod?: PodNames;
      readonly container?: string;
    }
  | {
      readonly kind: 'ended';
      readonly id: string;
      readonly pid?: number;
      readonly pod?: PodNames;
      readonly container?: string;
      readonly exitCode?: number;
      /** The runtime's own clock, finer than the time of the line. */
      readonly timeMs?: number;
    };

export interface PodNames {
  readonly uid?: string;
  readonly namespace?: string;
  readonly pod?: string;
}

/**
 * Strings of which each such line holds one, as bytes that a scanner may look for.
 * kubelet.go and pleg/generic.go (both at verbosity 2), containerd's cri instrumented_service.go and
 * events.go, CRI-O's server/container_start.go, sandbox_run.go and container_stop.go.
 */
export const POD_LINE_ANCHORS: readonly string[] = [
  'SyncLoop (PLEG)',
  'Generic (PLEG)',
  'RunPodSandbox for',
  'CreateContainer within',
  'StartContainer for',
  'TaskExit event',
  'exit event ',
  'Ran pod sandbox',
  'Created container ',
  'Started container',
  'Stopped container ',
];

/**
 * Takes such a line apart; undefined for every other one. Each form is asked for from the line's
 * first character and to its end: words in another message's quotes are someone's data.
 */
export function parsePodLine(text: string): PodLine | undefined {
  const klog = /^[IWE]\d{4} [\d:.]+ +\d+ [\w.-]+:\d+\] (".*)$/s.exec(text)?.[1];
  if (klog !== undefined) return kubeletLine(klog);
  const logrus = /^time="[^"]{1,48}" level=\w+ msg="((?:[^"\\]|\\.)*)"(.*)$/s.exec(text);
  if (!logrus) return undefined;
  const [, quoted = '', fields = ''] = logrus;
  const message = quoted.replaceAll(/\\(.)/g, '$1');
  return containerdLine(message) ?? crioLine(message, fields);
}

const HEX_ID = '[0-9a-f]{64}';
const NAME = '[a-z0-9](?:[a-z0-9.-]{0,251}[a-z0-9])?';
const UID = '[0-9a-f-]{32,36}';

const PLEG = new RegExp(
  `^"SyncLoop \\(PLEG\\): event for pod" pod="(${NAME})/(${NAME})" event=(?:` +
    `\\{"ID":"(${UID})","Type":"(\\w+)","Data":"(${HEX_ID})"\\}|` +
    `&\\{ID:(${UID}) Type:(\\w+) Data:(${HEX_ID})\\})$`,
);
const FINISHED = new RegExp(
  `^"Generic \\(PLEG\\): container finished" podID="(${UID})" containerID="(${HEX_ID})" exitCode=(-?\\d{1,10})$`,
);

function kubeletLine(text: string): PodLine | undefined {
  const finished = FINISHED.exec(text);
  if (finished) {
    const [, uid = '', id = '', code] = finished;
    return { kind: 'ended', id, pod: { uid }, exitCode: Number(code) };
  }
  const event = PLEG.exec(text);
  if (!event) return undefined;
  const [, namespace = '', pod = '', ...json] = event;
  const [uid = '', type, id = ''] = json[0] === undefined ? json.slice(3) : json;
  const names = { uid, namespace, pod };
  if (type === 'ContainerStarted') return { kind: 'started', id, pod: names };
  return type === 'ContainerDied' ? { kind: 'ended', id, pod: names } : undefined;
}

const SANDBOX = new RegExp(`^RunPodSandbox for (.{1,900}) returns sandbox id "(${HEX_ID})"$`);
const CREATED = new RegExp(
  `^CreateContainer within sandbox "(${HEX_ID})" for (?:container )?(.{1,400}) returns container id "(${HEX_ID})"$`,
);
const STARTED = new RegExp(`^StartContainer for "(${HEX_ID})" returns successfully$`);
const EXITED = /^(?:TaskExit event|received (?:container )?exit event) (.{1,600})$/s;

function containerdLine(text: string): PodLine | undefined {
  const sandbox = SANDBOX.exec(text);
  if (sandbox) {
    const [, metadata = '', id = ''] = sandbox;
    const [uid, namespace, pod] = [/^[\w-]{1,64}$/, NAME_ONLY, NAME_ONLY].map((form, index) => {
      const value = fieldOf(metadata, ['Uid', 'Namespace', 'Name'][index] ?? '');
      return value !== undefined && form.test(value) ? value : undefined;
    });
    if (uid === undefined || namespace === undefined || pod === undefined) return undefined;
    return { kind: 'sandbox', id, pod: { uid, namespace, pod } };
  }
  const created = CREATED.exec(text);
  if (created) {
    const [, within = '', metadata = '', id = ''] = created;
    const container = fieldOf(metadata, 'Name');
    if (container === undefined || !NAME_ONLY.test(container)) return undefined;
    return { kind: 'created', id, sandbox: within, container };
  }
  const started = STARTED.exec(text)?.[1];
  if (started !== undefined) return { kind: 'started', id: started };
  const exited = EXITED.exec(text)?.[1];
  return exited === undefined ? undefined : exitOf(exited);
}

const NAME_ONLY = new RegExp(`^${NAME}$`);

/** A field of a printed message: `Name:x,` of gogo's printer, `name:"x"` of Go's own. */
const fieldOf = (printed: string, field: string): string | undefined =>
  new RegExp(`(?:^|[ {,])${field}: *"?([^",} ]{1,253})`, 'i').exec(printed)?.[1];

/** The end of a container itself: that of a command in it (exec) has another id. */
function exitOf(event: string): PodLine | undefined {
  const id = fieldOf(event, 'container_?id');
  if (id === undefined || !new RegExp(`^${HEX_ID}$`).test(id)) return undefined;
  if (fieldOf(event, 'id') !== id) return undefined;
  const pid = fieldOf(event, 'pid');
  // Protobuf prints no zero.
  const exitCode = Number(fieldOf(event, 'exit_?status') ?? 0);
  const seconds = /exited_at: *\{seconds: *(\d{9,11})(?: +nanos: *(\d{1,9}))?\}/.exec(event);
  const stamp = /ExitedAt:(\d{4}-\d\d-\d\d) (\d\d:\d\d:\d\d)(\.\d{1,3})?\d* ([+-]\d{4})/.exec(
    event,
  );
  const timeMs = seconds
    ? Number(seconds[1]) * 1_000 + Math.floor(Number(seconds[2] ?? 0) / 1e6)
    : stamp
      ? Date.parse(`${stamp[1]}T${stamp[2]}${stamp[3] ?? ''}${stamp[4]}`)
      : Number.NaN;
  return {
    kind: 'ended',
    id,
    ...(pid !== undefined && /^\d{1,7}$/.test(pid) ? { pid: Number(pid) } : {}),
    ...(Number.isSafeInteger(exitCode) ? { exitCode } : {}),
    ...(Number.isNaN(timeMs) ? {} : { timeMs }),
  };
}

const PLACE = `(${NAME})/(${NAME})/(${NAME})`;
const CRIO_RAN = new RegExp(
  `^Ran pod sandbox (${HEX_ID}) with infra container: (${NAME})/(${NAME})/POD$`,
);
const CRIO_NAMED = new RegExp(`^(Created|Started|Stopped) container (${HEX_ID}): ${PLACE}$`);
const CRIO_STARTED = new RegExp(
  `^ PID=(\\d{1,7}) containerID=(${HEX_ID}) description=${PLACE} sandboxID=${HEX_ID}$`,
);

function crioLine(message: string, fields: string): PodLine | undefined {
  const ran = CRIO_RAN.exec(message);
  if (ran) {
    const [, id = '', namespace = '', pod = ''] = ran;
    return { kind: 'sandbox', id, pod: { namespace, pod } };
  }
  const named = CRIO_NAMED.exec(message);
  if (named) {
    const [, what, id = '', namespace = '', pod = '', container = ''] = named;
    const kind = what === 'Stopped' ? ('ended' as const) : ('started' as const);
    return { kind, id, pod: { namespace, pod }, container };
  }
  const started = message === 'Started container' ? CRIO_STARTED.exec(fields) : null;
  if (!started) return undefined;
  const [, pid, id = '', namespace = '', pod = '', container = ''] = started;
  return { kind: 'started', id, pid: Number(pid), pod: { namespace, pod }, container };
}
