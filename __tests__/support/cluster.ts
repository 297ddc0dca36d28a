/**
 * A Kubernetes of one node, real and of this test alone: etcd, API server, controllers, scheduler, kubelet, containerd, kube-proxy
 * and a registry, all in a sandbox. It needs root on Linux; the reference for what it can do is __tests__/engines/cluster.test.ts.
 */
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { kubernetes, kubernetesPrograms } from '../../scripts/kubernetes.ts';
import { tool } from '../../scripts/tools.ts';
import { type ApiServer, startApiServer } from './cluster/api-server.ts';
import { kubeconfigOf, type Places } from './cluster/configuration.ts';
import { type Images, testImages } from './cluster/images.ts';
import { startContainerd, startNode, startRegistry } from './cluster/node.ts';
import { type Relay, relaysInto } from './cluster/relays.ts';
import { makeSandbox } from './cluster/sandbox.ts';

export interface Cluster {
  /** All that it keeps, until it is closed; `logs/NAME` is what each of its programs prints. */
  readonly folder: string;
  /** The path of a kubeconfig of its administrator, for any process of this machine. */
  readonly kubeconfig: string;
  /** KUBECONFIG, and PATH with kubectl. */
  readonly env: { readonly KUBECONFIG: string; readonly PATH: string };
  /** `127.0.0.1:PORT` of its registry: the same for the test, for the kubelet that pulls, and for what runs in a pod. */
  readonly registry: string;
  /** Images in that registry, by digest. */
  readonly images: Images;
  readonly apiServer: Pick<ApiServer, 'url' | 'stop' | 'start'>;
  /** Runs kubectl; gives what it prints. @throws with what it printed on stderr */
  kubectl(...args: string[]): Promise<string>;
  /** Applies objects, from the server's side. */
  apply(...objects: readonly object[]): Promise<string>;
  /**
   * A way to a service's first port through kube-proxy; `host` is 127.0.0.1 with a port of its own.
   * @throws when no pod of it can be reached in 10 seconds
   */
  service(name: string, namespace?: string): Promise<Relay>;
  /** Runs a command in the sandbox: its network, mounts and processes. */
  enter(command: string, ...args: string[]): Promise<string>;
  /** For a test that fails: pods, events, and the last lines of every log. */
  diagnose(): Promise<string>;
  /** Ends all of it; nothing is left. */
  close(): Promise<void>;
}

export interface ClusterOptions {
  /** Whether the API server knows image volumes; false is what Kubernetes 1.34 does unless told otherwise. */
  readonly imageVolumes?: boolean;
}

const execute = promisify(execFile);

/** Starts it; the promise resolves once its node takes pods. @throws with the last lines of its logs when it does not */
export async function startCluster({ imageVolumes = true }: ClusterOptions = {}): Promise<Cluster> {
  const { path, cni } = await kubernetes();
  const { storage, ...images } = await testImages();
  const kubectl = join(await kubernetesPrograms(), 'kubectl');
  const folder = await mkdtemp(join(tmpdir(), 'trainyard-cluster-'));
  for (const name of ['logs', 'secrets', 'cni', 'cni-bin']) await mkdir(join(folder, name));
  await cp(storage, join(folder, 'registry'), { recursive: true });
  const programs = [path, dirname(await tool('registry')), process.env.PATH].join(delimiter);
  const sandbox = await makeSandbox(folder, programs);
  const relays = relaysInto(sandbox.pid);
  const end = async (): Promise<void> => {
    await relays.close();
    await sandbox.close();
  };
  try {
    const { host: registry, port } = await relays.open('127.0.0.1');
    const places: Places = { folder, registry: port, cni };
    await startRegistry(sandbox, places);
    await startContainerd(sandbox, places);
    const api = await startApiServer(sandbox, relays, { imageVolumes });
    const kubeconfig = join(folder, 'kubeconfig');
    await writeFile(kubeconfig, JSON.stringify(kubeconfigOf(api)), { mode: 0o600 });
    await startNode(sandbox, api, kubeconfig);
    const env = {
      KUBECONFIG: kubeconfig,
      PATH: [dirname(kubectl), process.env.PATH].join(delimiter),
    };
    const run = async (args: readonly string[], input = ''): Promise<string> => {
      const running = execute(kubectl, args, { env: { ...process.env, ...env }, maxBuffer: 1 << 26 });
      running.child.stdin?.end(input);
      return (await running).stdout;
    };
    return {
      folder,
      kubeconfig,
      env,
      registry,
      images: {
        modelServer: `${registry}/${images.modelServer}`,
        oras: `${registry}/${images.oras}`,
      },
      apiServer: api,
      kubectl: (...args) => run(args),
      apply: (...items) =>
        run(
          ['apply', '--server-side', '--filename=-'],
          JSON.stringify({ apiVersion: 'v1', kind: 'List', items }),
        ),
      async service(name, namespace = 'default') {
        const which = ['get', 'service', name, '--namespace', namespace];
        const address = await run([...which, '--output=jsonpath={.spec.clusterIP} {.spec.ports[0].port}']);
        const [host = '', at = ''] = address.split(' ');
        // kube-proxy learns of its pods a moment after they are ready.
        const connects = 'until (exec 3<> "/dev/tcp/$0/$1") 2> /dev/null; do sleep 0.05; done';
        await sandbox.run('timeout', '10', 'bash', '-c', connects, host, at);
        return relays.open(host, Number(at));
      },
      enter: sandbox.run,
      diagnose: async () => {
        const pods = await run(['get', 'pods', '--all-namespaces', '--output=wide']).catch(messageOf);
        const events = await run(['get', 'events', '--all-namespaces']).catch(messageOf);
        return [pods, events, await lastLines(folder)].join('\n');
      },
      async close() {
        await end();
        await rm(folder, { recursive: true, force: true });
      },
    };
  } catch (cause) {
    const said = await lastLines(folder);
    await end();
    throw new Error(`no cluster: ${messageOf(cause)}; its logs are in ${folder}\n${said}`, { cause });
  }
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function lastLines(folder: string): Promise<string> {
  const names = await readdir(join(folder, 'logs'));
  const logs = names.map(async (name) => {
    const lines = (await readFile(join(folder, 'logs', name), 'utf8')).trimEnd().split('\n');
    return [`── ${name}`, ...lines.slice(-8)].join('\n');
  });
  return (await Promise.all(logs)).join('\n');
}
