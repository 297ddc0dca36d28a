/** The least that serves a model in a cluster, for tests of the cluster itself. */

export const LABELS = { app: 'model' };

/** @param volume with the model, mounted at /model */
export const deployment = (image: string, volume: object, changes: object = {}) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name: 'model', namespace: 'default' },
  spec: {
    replicas: 2,
    selector: { matchLabels: LABELS },
    strategy: { rollingUpdate: { maxUnavailable: 0, maxSurge: 1 } },
    template: {
      metadata: { labels: LABELS },
      spec: {
        terminationGracePeriodSeconds: 10,
        containers: [
          {
            name: 'server',
            image,
            args: ['--model', '/model'],
            ports: [{ containerPort: 8080 }],
            readinessProbe: { httpGet: { path: '/v2/health/ready', port: 8080 }, periodSeconds: 1 },
            // It ends at once when it is told to; until then kube-proxy must have learned that it goes.
            lifecycle: { preStop: { sleep: { seconds: 4 } } },
            securityContext: {
              runAsNonRoot: true,
              allowPrivilegeEscalation: false,
              readOnlyRootFilesystem: true,
              capabilities: { drop: ['ALL'] },
              seccompProfile: { type: 'RuntimeDefault' },
            },
            volumeMounts: [{ name: 'model', mountPath: '/model', readOnly: true }],
            ...changes,
          },
        ],
        volumes: [{ name: 'model', ...volume }],
      },
    },
  },
});

export const service = {
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name: 'model', namespace: 'default' },
  spec: { selector: LABELS, ports: [{ port: 80, targetPort: 8080 }] },
};
