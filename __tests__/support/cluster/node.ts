/** What makes a cluster of an API server: controllers, scheduler, and one node with a kubelet, containerd and kube-proxy. */
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type ApiServer, until } from './api-server.ts';
import * as configuration from './configuration.ts';
import type { Sandbox } from './sandbox.ts';

/** Those of its controllers that tests need; each costs time at the start. */
const CONTROLLERS = [
  'clusterrole-aggregation',
  'cronjob',
  'daemonset',
  'deployment',
  'disruption',
  'endpoints',
  'endpointslice',
  'garbage-collector',
  'job',
  'namespace',
  'node-lifecycle',
  'pod-garbage-collector',
  'replicaset',
  'serviceaccount',
  'statefulset',
  'ttl-after-finished',
].map((name) => `${name}-controller`);

/** Starts the registry with what its folder holds. */
export async function startRegistry(sandbox: Sandbox, places: configuration.Places): Promise<void> {
  const config = join(places.folder, 'registry.json');
  await writeFile(config, JSON.stringify(configuration.registryConfig(places)));
  await sandbox.start('registry', 'serve', config);
}

/** Starts containerd, which needs no API server. */
export async function startContainerd(sandbox: Sandbox, places: configuration.Places): Promise<void> {
  const { folder } = places;
  const plugin = join(folder, 'cni-bin', 'pod');
  await writeFile(plugin, configuration.podPlugin(places));
  await chmod(plugin, 0o755);
  await writeFile(join(folder, 'cni', 'pods.conflist'), JSON.stringify(configuration.CNI));
  await writeFile(join(folder, 'containerd.toml'), configuration.containerdToml(places));
  await sandbox.start('containerd', '--config', join(folder, 'containerd.toml'));
}

/** Starts the rest; the promise resolves once the node is ready. @throws when it is not in a minute */
export async function startNode(sandbox: Sandbox, api: ApiServer, kubeconfig: string): Promise<void> {
  const { folder } = sandbox;
  const secrets = join(folder, 'secrets');
  const alone = ['--leader-elect=false', '--bind-address=127.0.0.1', '--secure-port=0'];
  await sandbox.start(
    'kube-controller-manager',
    `--kubeconfig=${kubeconfig}`,
    ...alone,
    `--service-account-private-key-file=${secrets}/accounts.key`,
    `--root-ca-file=${secrets}/apiserver.crt`,
    `--controllers=${CONTROLLERS.join(',')}`,
  );
  await sandbox.start('kube-scheduler', `--kubeconfig=${kubeconfig}`, ...alone);
  const kubelet = join(folder, 'kubelet.json');
  await writeFile(kubelet, JSON.stringify({ ...configuration.kubelet, cgroupRoot: `/${sandbox.cgroup}` }));
  await sandbox.run('sh', '-c', 'until [ -S "$0" ]; do sleep 0.05; done', configuration.CONTAINERD);
  await sandbox.start(
    'kubelet',
    `--config=${kubelet}`,
    `--kubeconfig=${kubeconfig}`,
    `--hostname-override=${configuration.NODE}`,
    `--node-ip=${configuration.NODE_ADDRESS}`,
    '--v=2',
  );
  const proxy = join(folder, 'kube-proxy.json');
  await writeFile(proxy, JSON.stringify(configuration.kubeProxy(kubeconfig)));
  await sandbox.start('kube-proxy', `--config=${proxy}`);
  await until('the node is ready', async () => isReady(await node(api)));
}

interface Node {
  readonly status: { readonly conditions?: readonly { readonly type: string; readonly status: string }[] };
}

const isReady = (found: Node | undefined): boolean =>
  found?.status.conditions?.some(({ type, status }) => type === 'Ready' && status === 'True') ?? false;

async function node(api: ApiServer): Promise<Node | undefined> {
  return JSON.parse(await api.get(`/api/v1/nodes/${configuration.NODE}`).catch(() => '{"status": {}}'));
}
