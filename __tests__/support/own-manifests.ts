/** Manifests as a user might write them for the small project of the tests. */
export const DEPLOYMENT = `apiVersion: apps/v1
kind: Deployment
metadata:
  name: "@@TRAINYARD_NAME@@-@@TRAINYARD_RELEASE_SHORT@@"
  labels: {app.kubernetes.io/name: mine}
spec:
  replicas: 2
  selector: {matchLabels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}}
  template:
    metadata:
      labels: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}
    spec:
      containers:
        - name: server
          image: "@@TRAINYARD_SERVER_IMAGE@@"
          env: [{name: TRAINYARD_RELEASE, value: "@@TRAINYARD_RELEASE@@"}]
          envFrom: [{configMapRef: {name: "@@TRAINYARD_CONFIGMAP@@"}}]
          volumeMounts: [{name: model, mountPath: /model, readOnly: true}]
      volumes:
        - name: model
          image: {reference: "@@TRAINYARD_MODEL_IMAGE@@"}
`;

export const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: "@@TRAINYARD_NAME@@"}
spec:
  ports: [{name: http, port: 80, targetPort: 8080}]
  selector: {app: toy, release: "@@TRAINYARD_RELEASE_SHORT@@"}
`;
