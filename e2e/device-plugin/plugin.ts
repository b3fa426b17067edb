import { rmSync } from 'node:fs';
import { join } from 'node:path';
import {
  Client,
  credentials,
  type handleServerStreamingCall,
  type handleUnaryCall,
  Server,
  ServerCredentials,
  type ServerWritableStream,
  type ServiceDefinition,
} from '@grpc/grpc-js';
import { fromJSON } from '@grpc/proto-loader';
import api from './api.json' with { type: 'json' };

/** Where the kubelet looks for device plugins; a part of k8s.io/kubelet's deviceplugin/v1beta1. */
const FOLDER = '/var/lib/kubelet/device-plugins';
const ENDPOINT = 'gpu-mcp-e2e.sock';

export interface PluginDevice {
  readonly id: string;
  readonly numaNode?: number;
}

export interface DevicePlugin {
  /** Tells the kubelet which of the devices are well from now on. */
  setHealthy(ids: readonly string[]): void;
  stop(): void;
}

/**
 * Runs a device plugin for the kubelet of a node whose root is seen at `root`, and registers it. It
 * does what NVIDIA's does with `DEVICE_LIST_STRATEGY=envvar`: the container gets the ids.
 */
export async function startDevicePlugin(options: {
  readonly root: string;
  readonly resource: string;
  readonly devices: readonly PluginDevice[];
}): Promise<DevicePlugin> {
  const { root, resource, devices } = options;
  const socket = join(root, FOLDER, ENDPOINT);
  let healthy = devices.map(({ id }) => id);
  const watchers = new Set<ServerWritableStream<object, object>>();
  const list = () => ({
    devices: devices.map(({ id, numaNode = 0 }) => ({
      ID: id,
      health: healthy.includes(id) ? 'Healthy' : 'Unhealthy',
      topology: { nodes: [{ ID: numaNode }] },
    })),
  });
  const tellOptions: handleUnaryCall<object, object> = (_, done) => done(null, {});
  const watch: handleServerStreamingCall<object, object> = call => {
    watchers.add(call);
    call.on('cancelled', () => watchers.delete(call));
    call.write(list());
  };
  const server = new Server();
  server.addService(serviceOf('DevicePlugin'), {
    GetDevicePluginOptions: tellOptions,
    ListAndWatch: watch,
    Allocate: allocate,
  });
  rmSync(socket, { force: true });
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), error =>
      error ? reject(error) : resolve(),
    );
  });
  await register(root, resource);
  return {
    setHealthy(ids) {
      healthy = [...ids];
      for (const watcher of watchers) watcher.write(list());
    },
    stop() {
      server.forceShutdown();
      rmSync(socket, { force: true });
    },
  };
}

interface AllocateRequest {
  readonly containerRequests: readonly { readonly devicesIds: readonly string[] }[];
}

const allocate: handleUnaryCall<AllocateRequest, object> = ({ request }, done) =>
  done(null, {
    containerResponses: request.containerRequests.map(({ devicesIds }) => ({
      envs: { NVIDIA_VISIBLE_DEVICES: devicesIds.join(',') },
    })),
  });

function register(root: string, resourceName: string): Promise<void> {
  const socket = join(root, FOLDER, 'kubelet.sock');
  const client = new Client(`unix:${socket}`, credentials.createInsecure(), {
    'grpc.default_authority': 'localhost',
  });
  const method = serviceOf('Registration')['Register'];
  if (!method) throw new Error('the descriptor has no Register');
  const request = { version: 'v1beta1', endpoint: ENDPOINT, resourceName };
  return new Promise((resolve, reject) => {
    client.makeUnaryRequest(
      method.path,
      method.requestSerialize,
      method.responseDeserialize,
      request,
      error => {
        client.close();
        if (error) reject(error);
        else resolve();
      },
    );
  });
}

function serviceOf(name: string): ServiceDefinition {
  // The package's type knows no namespace within a namespace; its code does.
  const json: unknown = api;
  if (!isNamespace(json)) throw new Error('the descriptor is no namespace');
  const found = fromJSON(json, { defaults: true, arrays: true })[`v1beta1.${name}`];
  if (!found || 'format' in found) throw new Error(`the descriptor has no service ${name}`);
  return found;
}

type Namespace = Parameters<typeof fromJSON>[0];
const isNamespace = (json: unknown): json is Namespace =>
  typeof json === 'object' && json !== null && 'nested' in json;
