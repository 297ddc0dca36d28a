/**
 * Kubernetes with a kubelet and containerd, for tests that start a cluster of their own: built from Go modules, and what needs C
 * from Debian's packages.
 */
import { existsSync } from 'node:fs';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { delimiter, dirname, join } from 'node:path';
import { unpacked } from './debian.ts';
import { goPrograms, tool } from './tools.ts';

export interface Kubernetes {
  /** Folders of programs, as PATH has them: Kubernetes' own, containerd with its shim, etcd, runc, iptables. */
  readonly path: string;
  /** The folder of the CNI plugins. */
  readonly cni: string;
}

/** Gives all of it, set up on the first call, which takes many minutes. @throws as its parts do */
export async function kubernetes(): Promise<Kubernetes> {
  const tools = await containerTools();
  const folders = [await kubernetesPrograms(), await containerd(), dirname(await tool('etcd')), tools];
  return { path: folders.join(delimiter), cni: join(tools, '..', 'cni') };
}

/** Gives the folder of kubectl, kubelet, kube-apiserver, kube-controller-manager, kube-scheduler and kube-proxy. */
export function kubernetesPrograms(): Promise<string> {
  return goPrograms('kubernetes', 'k8s.io/kubernetes', (version) => {
    // Otherwise they take themselves for version 0, and kubelet and API server refuse each other.
    const [major, minor] = version.split('.');
    const facts = { gitVersion: `v${version}`, gitMajor: major, gitMinor: minor, gitTreeState: 'clean' };
    const set = Object.entries(facts).map(
      ([name, value]) => `-X k8s.io/component-base/version.${name}=${value}`,
    );
    return small(set);
  });
}

/** Gives the folder of containerd and its shim, without the file systems that need C. */
export function containerd(): Promise<string> {
  return goPrograms('containerd', 'containerd/v2', () => [...small(), '-tags', 'no_btrfs,no_zfs']);
}

/** Without symbols and paths: half the size, and the same on every machine. */
const small = (linked: readonly string[] = []): string[] => [
  '-trimpath',
  '-ldflags',
  ['-s', '-w', ...linked].join(' '),
];

/** Gives the folder of runc and iptables, beside that of the CNI plugins: the machine's own, or Debian's packages. */
export async function containerTools(): Promise<string> {
  const packages = ['runc', 'containernetworking-plugins', 'iptables'];
  return join(await unpacked('containers', packages, finish), 'bin');
}

const IPTABLES = ['iptables', 'ip6tables'].flatMap((name) => [name, `${name}-save`, `${name}-restore`]);

/** iptables with the libraries and extensions that came with it. */
const starter = (name: string): string => `#!/bin/sh
root=$(dirname "$0")/..
for folder in "$root"/usr/lib/*-linux-gnu; do libraries=$folder:$libraries extensions=$folder/xtables; done
LD_LIBRARY_PATH=$libraries XTABLES_LIBDIR=$extensions exec "$root/usr/sbin/xtables-nft-multi" ${name} "$@"
`;

async function finish(folder: string): Promise<void> {
  const bin = join(folder, 'bin');
  await mkdir(bin);
  // Of a package that the machine has, nothing is unpacked.
  const link = (path: string, name: string) =>
    symlink(existsSync(join(folder, path)) ? join('..', path) : join('/', path), join(bin, name));
  await link('usr/sbin/runc', 'runc');
  await symlink(
    existsSync(join(folder, 'usr/lib/cni')) ? 'usr/lib/cni' : '/usr/lib/cni',
    join(folder, 'cni'),
  );
  const isUnpacked = existsSync(join(folder, 'usr/sbin/xtables-nft-multi'));
  for (const name of IPTABLES)
    if (isUnpacked) await writeFile(join(bin, name), starter(name), { mode: 0o755 });
    else await link(`usr/sbin/${name}`, name);
}
