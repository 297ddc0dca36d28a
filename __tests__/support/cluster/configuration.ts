/** What the parts of a cluster are told. All of it is for one network of its own, so that ports and addresses are fixed. */

export const NODE = 'test-node';
export const NODE_ADDRESS = '10.88.0.1';
/** Where services have their addresses. */
export const SERVICES = '10.255.0.0/24';
export const TOKEN = 'of-the-tests';
export const ETCD = 'http://127.0.0.1:2379';
export const CONTAINERD = '/run/containerd/containerd.sock';

export interface Places {
  readonly folder: string;
  /** The port of the registry, on every address of the node. */
  readonly registry: number;
  /** The folder of the CNI plugins. */
  readonly cni: string;
}

/** Configures containerd: runc by the cgroups' file system, and what fails without CAP_SYS_RESOURCE left out. */
export const containerdToml = ({ folder, registry, cni }: Places): string => `version = 3
root = "${folder}/containerd"
state = "/run/containerd"
[grpc]
  address = "${CONTAINERD}"
[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "127.0.0.1:${registry}/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = "runc"
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["${folder}/cni-bin", "${cni}"]
    conf_dir = "${folder}/cni"
`;

/** The pods' network, one bridge; `pod` is the plugin below. */
export const CNI = {
  cniVersion: '1.0.0',
  name: 'pods',
  plugins: [
    {
      type: 'pod',
      bridge: 'cni0',
      ipam: {
        type: 'host-local',
        ranges: [[{ subnet: '10.88.0.0/24', rangeStart: '10.88.0.10', gateway: NODE_ADDRESS }]],
        routes: [{ dst: '0.0.0.0/0' }],
      },
    },
  ],
};

/**
 * A CNI plugin: the bridge, and a pod finds the registry at 127.0.0.1, too, so that one reference to an image means the same to the
 * test, to containerd, and to what runs in a pod.
 */
export const podPlugin = ({ registry, cni }: Places): string => `#!/bin/sh
set -e
if [ "$CNI_COMMAND" = ADD ]; then
  nsenter --net="$CNI_NETNS" -- sh -c 'echo 1 > /proc/sys/net/ipv4/conf/all/route_localnet; exec iptables-restore' << END
*nat
-A OUTPUT -d 127.0.0.1 -p tcp --dport ${registry} -j DNAT --to-destination ${NODE_ADDRESS}
-A POSTROUTING -d ${NODE_ADDRESS} -p tcp --dport ${registry} -j MASQUERADE
COMMIT
END
fi
exec ${cni}/bridge
`;

/** Without evictions: a disk that is nearly full is none of the tests' business. */
export const kubelet = {
  apiVersion: 'kubelet.config.k8s.io/v1beta1',
  kind: 'KubeletConfiguration',
  address: NODE_ADDRESS,
  authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
  authorization: { mode: 'AlwaysAllow' },
  cgroupDriver: 'cgroupfs',
  failSwapOn: false,
  failCgroupV1: false,
  containerRuntimeEndpoint: `unix://${CONTAINERD}`,
  resolvConf: '',
  clusterDNS: ['10.255.0.10'],
  makeIPTablesUtilChains: false,
  evictionHard: Object.fromEntries(
    ['memory.available', 'nodefs.available', 'imagefs.available', 'nodefs.inodesFree'].map((name) => [
      name,
      '0%',
    ]),
  ),
  imageGCHighThresholdPercent: 100,
  imageGCLowThresholdPercent: 99,
  nodeStatusUpdateFrequency: '2s',
  nodeStatusReportFrequency: '10s',
  syncFrequency: '5s',
  fileCheckFrequency: '0s',
  featureGates: { ImageVolume: true },
};

export const kubeProxy = (kubeconfig: string) => ({
  apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
  kind: 'KubeProxyConfiguration',
  clientConnection: { kubeconfig },
  mode: 'iptables',
  hostnameOverride: NODE,
  // A pod that asks a service may be answered by one on the same bridge; the answer must come back the same way.
  iptables: { masqueradeAll: true },
  // Those are settings of the machine's.
  conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
});

/** The distribution registry. */
export const registryConfig = ({ folder, registry }: Places) => ({
  version: 0.1,
  log: { level: 'info' },
  storage: { filesystem: { rootdirectory: `${folder}/registry` }, delete: { enabled: true } },
  http: { addr: `0.0.0.0:${registry}`, secret: 'of the tests' },
});

/** JSON, which is YAML. @param authority the API server's certificate, PEM */
export const kubeconfigOf = ({ url, authority }: { readonly url: string; readonly authority: string }) => ({
  apiVersion: 'v1',
  kind: 'Config',
  clusters: [
    {
      name: 'test',
      cluster: { server: url, 'certificate-authority-data': Buffer.from(authority).toString('base64') },
    },
  ],
  users: [{ name: 'admin', user: { token: TOKEN } }],
  contexts: [{ name: 'test', context: { cluster: 'test', user: 'admin' } }],
  'current-context': 'test',
});
