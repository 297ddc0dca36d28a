/** The API server with its storage, and a plain way to ask it. */
import { generateKeyPairSync } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { request } from 'node:https';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { ETCD, SERVICES, TOKEN } from './configuration.ts';
import type { Relay, Relays } from './relays.ts';
import type { Program, Sandbox } from './sandbox.ts';

export interface ApiServer {
  /** `https://127.0.0.1:PORT`, inside and outside. */
  readonly url: string;
  /** Its certificate, which has signed itself, PEM. */
  readonly authority: string;
  /** Kills it; what runs in the cluster goes on, and whoever asks it is refused. */
  stop(): Promise<void>;
  /** Starts it again where it was; resolves once it is ready. */
  start(): Promise<void>;
  /** What it answers to a GET. @throws when that is no success */
  get(path: string): Promise<string>;
}

/** What distinguishes an API server of the tests. */
export interface ApiServerOptions {
  /** Whether it knows image volumes; Kubernetes 1.34 does not unless told to. */
  readonly imageVolumes: boolean;
}

/** Starts etcd and the API server; the promise resolves once it is ready. @throws when it is not in a minute */
export async function startApiServer(
  sandbox: Sandbox,
  relays: Relays,
  { imageVolumes }: ApiServerOptions,
): Promise<ApiServer> {
  const secrets = join(sandbox.folder, 'secrets');
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  });
  await writeFile(join(secrets, 'accounts.key'), privateKey, { mode: 0o600 });
  await writeFile(join(secrets, 'accounts.pub'), publicKey);
  await writeFile(join(secrets, 'tokens.csv'), `${TOKEN},admin,admin,"system:masters"\n`, { mode: 0o600 });
  await sandbox.start(
    'etcd',
    '--data-dir=/run/etcd',
    '--unsafe-no-fsync',
    `--listen-client-urls=${ETCD}`,
    `--advertise-client-urls=${ETCD}`,
  );
  let relay: Relay = await relays.open('127.0.0.1');
  const { port } = relay;
  const url = `https://127.0.0.1:${port}`;
  const options = [
    `--etcd-servers=${ETCD}`,
    '--bind-address=127.0.0.1',
    '--advertise-address=127.0.0.1',
    `--secure-port=${port}`,
    `--cert-dir=${secrets}`,
    `--service-account-key-file=${secrets}/accounts.pub`,
    `--service-account-signing-key-file=${secrets}/accounts.key`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-cluster-ip-range=${SERVICES}`,
    `--token-auth-file=${secrets}/tokens.csv`,
    '--authorization-mode=RBAC',
    '--disable-admission-plugins=ServiceAccount',
    '--endpoint-reconciler-type=none',
    '--kubelet-preferred-address-types=InternalIP',
    '--allow-privileged=true',
    `--feature-gates=ImageVolume=${imageVolumes}`,
  ];
  const certificate = join(secrets, 'apiserver.crt');
  const ask = async (path: string): Promise<string> => get(url, path, await readFile(certificate, 'utf8'));
  const start = async (): Promise<Program> => {
    const started = await sandbox.start('kube-apiserver', ...options);
    await until('the API server is ready', async () => {
      if (!started.isRunning()) throw new Error('the API server has ended');
      return (await ask('/readyz').catch(() => '')) === 'ok';
    });
    return started;
  };
  let server = await start();
  return {
    url,
    authority: await readFile(certificate, 'utf8'),
    async stop() {
      await relay.close();
      await server.kill();
    },
    async start() {
      relay = await relays.open('127.0.0.1', port, port);
      server = await start();
    },
    get: ask,
  };
}

function get(url: string, path: string, ca: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const headers = { authorization: `Bearer ${TOKEN}` };
    const asked = request(`${url}${path}`, { ca, headers, agent: false }, (answer) => {
      text(answer).then((said) => {
        if (answer.statusCode === 200) resolve(said);
        else reject(new Error(`${path}: ${answer.statusCode} ${said}`));
      }, reject);
    });
    asked.on('error', reject);
    asked.end();
  });
}

/** Waits a minute at most. @throws what the condition throws, or that it does not come */
export async function until(what: string, isThere: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + 60_000;
  while (!(await isThere())) {
    if (performance.now() > deadline) throw new Error(`it is not so that ${what}`);
    await sleep(100);
  }
}
