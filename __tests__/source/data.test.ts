import { expect, test } from '@jest/globals';
import { z } from 'zod';
import { data } from '../../src/source/data.ts';
import { parseYaml } from '../../src/source/yaml.ts';

const DIGEST = `sha256:${'a'.repeat(64)}`;
const read = (text: string): unknown => {
  try {
    return parseYaml('f.yml', text, z.object({ set: data })).value.set;
  } catch (error) {
    return error instanceof Error ? error.message : error;
  }
};

test.each<[string, object]>([
  [`{path: a b.csv, digest: "${DIGEST}"}`, { path: 'a b.csv', digest: DIGEST }],
  [`{oci: "ghcr.io/acme/data@${DIGEST}"}`, { oci: `ghcr.io/acme/data@${DIGEST}` }],
  [`{oci: "127.0.0.1:5000/data@${DIGEST}"}`, { oci: `127.0.0.1:5000/data@${DIGEST}` }],
  [`{oci: "/yard@${DIGEST}"}`, { oci: `/yard@${DIGEST}` }],
  [
    `{https: "https://a.example/b.csv?version=2", digest: "${DIGEST}"}`,
    { https: 'https://a.example/b.csv?version=2', digest: DIGEST },
  ],
  [
    `{https: "http://127.0.0.1:8000/b", digest: "${DIGEST}"}`,
    { https: 'http://127.0.0.1:8000/b', digest: DIGEST },
  ],
  ['{hf: acme/digits, revision: main}', { hf: 'acme/digits', revision: 'main', type: 'dataset' }],
  [
    '{hf: squad, revision: v1, type: model, files: ["*.csv"]}',
    { hf: 'squad', revision: 'v1', type: 'model', files: ['*.csv'] },
  ],
  ['{dvc: data/a.csv.dvc}', { dvc: 'data/a.csv.dvc' }],
  ['{dvc: dvc.lock, out: data/features}', { dvc: 'dvc.lock', out: 'data/features' }],
  [
    `{command: [./fetch.sh, "\${output}"], digest: "${DIGEST}"}`,
    { command: ['./fetch.sh', '${output}'], digest: DIGEST },
  ],
])('%s is a data set', (text, value) => {
  expect(read(`set: ${text}`)).toEqual(value);
});

const FORMS =
  /f\.yml:1:6: set: one of \{path: FILE, digest: "sha256:…"\}, \{oci: .*\}, \{https: .*\}, \{hf: .*\}, \{dvc: .*\} or \{command: .*\}$/;
test.each<[string, RegExp]>([
  ['{path: a}', /f\.yml:1:6: set\.digest: missing; a digest: sha256: and 64 hexadecimal digits$/],
  ['{path: a, digest: "sha256:12"}', /f\.yml:1:24: set\.digest: a digest/],
  [
    '{oci: "ghcr.io/acme/data:latest"}',
    /f\.yml:1:12: set\.oci: HOST\/REPOSITORY@sha256:…, or \/FOLDER@sha256:…, as the action data prints it/,
  ],
  [`{oci: "ghcr.io@${DIGEST}"}`, /set\.oci: HOST/],
  [
    `{oci: "a/b@${DIGEST}", digest: "${DIGEST}"}`,
    /f\.yml:1:\d+: set: unknown key "digest"; allowed are oci$/,
  ],
  [`{https: "http://a.example/b", digest: "${DIGEST}"}`, /f\.yml:1:14: set\.https: https alone/],
  [`{https: "ftp://a.example/b", digest: "${DIGEST}"}`, /set\.https: https alone/],
  [
    `{https: "https://u:p@a.example/b", digest: "${DIGEST}"}`,
    /a URL without a password, token or signature: it stays in the record.*\.netrc of the runner machine$/,
  ],
  [
    `{https: "https://a.example/b?X-Amz-Signature=1", digest: "${DIGEST}"}`,
    /without a password, token or signature/,
  ],
  [
    `{https: "https://a.example/b?access_token=1", digest: "${DIGEST}"}`,
    /without a password, token or signature/,
  ],
  [`{https: "a.example/b", digest: "${DIGEST}"}`, /set\.https: a URL: https:\/\/HOST\/FILE$/],
  ['{hf: acme/digits}', /f\.yml:1:6: set\.revision: missing; a branch, a tag or a commit$/],
  ['{hf: https://huggingface.co/acme/digits, revision: main}', /set\.hf: a repository: ORGANISATION\/NAME$/],
  [
    '{hf: acme/digits, revision: main, type: space}',
    /set\.type: "space" is not known; expected one of "dataset"\|"model"$/,
  ],
  ['{dvc: data/a.csv}', /set\.dvc: a file that DVC keeps in the commit: NAME\.dvc or dvc\.lock$/],
  ['{dvc: dvc.yaml}', /set\.dvc: a file that DVC keeps/],
  ['{command: ./fetch.sh}', /set\.digest: missing/],
  ['{url: x}', FORMS],
  ['{}', FORMS],
  ['digits.csv', FORMS],
])('%s is refused where it is wrong', (text, said) => {
  expect(read(`set: ${text}`)).toMatch(said);
});
