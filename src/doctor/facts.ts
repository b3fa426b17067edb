import type { NodeLease, NodeState } from '../cluster/port.ts';
import type { Admitted, Machine, PlacedPod, Quota } from '../cluster/survey.ts';
import type { PodOptions } from '../session/pod-spec.ts';
import type { Right } from '../session/rights.ts';
import type { Found } from './found.ts';

export type Lifetime = 'auto' | 'job' | 'pod';

/** How a session would be started. */
export interface Plan {
  readonly lifetime: Lifetime;
  readonly transport: 'websocket' | 'kubectl';
  /** Without a node: the cluster alone is looked at. */
  readonly node: string | undefined;
}

/** Who asks whom, by the kubeconfig and the flags. */
export interface Connection {
  readonly files: readonly string[];
  readonly context: string | null;
  readonly server: string;
  readonly namespace: string;
  readonly user: string | null;
  /** Where the credentials are from: `credential plugin "aws"`, `a token`. */
  readonly credentials: string;
  readonly as: string | undefined;
  readonly proxy: string | undefined;
  readonly insecure: boolean;
}

export interface Laptop {
  readonly nodeJs: string | undefined;
  readonly kubectl: Found<string>;
  /** Where the plugin lies on PATH; undefined where it does not. */
  readonly plugin: string | undefined;
}

/** What a node says of itself, and the cluster of it. */
export interface NodeFacts {
  readonly machine: Found<Machine>;
  readonly lease: Found<NodeLease | undefined>;
  /** Of all namespaces, or of the user's alone. */
  readonly pods: Found<readonly PlacedPod[]>;
  readonly podsOfNamespace: Found<readonly PlacedPod[]> | undefined;
}

/** All that was asked for, each with its answer or why there is none. */
export interface Facts {
  readonly plan: Plan;
  readonly laptop: Laptop;
  /** When the last answer had come, by this machine's clock. */
  readonly nowMs: number;
  readonly connection: Found<Connection>;
  readonly login: Found<void>;
  readonly version: Found<string>;
  readonly user: Found<string | undefined>;
  /** Milliseconds that the API server's clock is ahead of this machine's; undefined where it gave no date. */
  readonly aheadMs: number | undefined;
  readonly rights: readonly { readonly right: Right; readonly may: Found<{ allowed: boolean }> }[];
  readonly labels: Found<Readonly<Record<string, string>>>;
  readonly quotas: Found<readonly Quota[]>;
  readonly limitRanges: Found<readonly string[]>;
  /** The very pod that a session would create, and the answers to its dry runs. */
  readonly pod: PodOptions;
  /** Whether its image and agent are found, where no image is pulled. */
  readonly carried: Found<unknown>;
  readonly podRun: Found<Admitted>;
  readonly jobRun: Found<Admitted> | undefined;
  readonly webSocket: Found<void>;
  readonly node: NodeFacts | undefined;
  /** Without a node: those that have GPUs. */
  readonly gpuNodes: Found<readonly NodeState[]> | undefined;
}
