/** The registry of our tests against the conformance suite of the OCI distribution specification 1.1. */
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from '@jest/globals';
import { tool } from '../../scripts/tools.ts';
import { type Registry, type RegistryOptions, startRegistry } from '../support/registry.ts';

/** Everything of the specification's version 1.1 is on, and what of the next one our clients rely on. */
const SETTINGS = {
  OCI_VERSION: '1.1',
  OCI_TLS: 'disabled',
  OCI_API_BLOBS_UPLOAD_CANCEL: 'true',
  OCI_API_BLOBS_DIGEST_HEADER: 'true',
  OCI_API_MANIFESTS_DIGEST_HEADER: 'true',
};

/** A mount that names no source: a registry may answer it by an upload, as common ones do, and we always name the source. */
const SKIPPED = /\/mount anonymous\/blob-mount-anonymous$/;

let dir: string;
let registry: Registry;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'conformance-'));
});
afterEach(async () => {
  await registry.close();
  await rm(dir, { recursive: true });
});

test.each<[string, RegistryOptions, Record<string, string>]>([
  ['as it is', {}, {}],
  [
    'with tokens, relative locations and blobs at another host',
    {
      access: { kind: 'bearer', users: { ada: { password: 'secret' } } },
      locations: 'relative',
      redirect: { name: 'localhost' },
    },
    // The other host, like any object store, knows no Docker-Content-Digest.
    { OCI_USERNAME: 'ada', OCI_PASSWORD: 'secret', OCI_API_BLOBS_DIGEST_HEADER: 'false' },
  ],
])(
  'the registry passes every test of the suite, %s',
  async (_how, options, settings) => {
    registry = await startRegistry(options);
    const env = { ...SETTINGS, ...settings, OCI_REGISTRY: registry.host, OCI_RESULTS_DIR: dir };
    // It fails where one test does; what failed is in the report.
    await promisify(execFile)(await tool('conformance'), { cwd: dir, env }).catch(() => undefined);
    const report = await readFile(join(dir, 'junit.xml'), 'utf8');
    const tests = [...report.matchAll(/<testcase name="([^"]*)"[^>]* status="([^"]*)"/g)];
    const others = tests.flatMap(([, name = '', status]) =>
      status === 'passed' || (status === 'skipped' && SKIPPED.test(name)) ? [] : [`${name}: ${status}`],
    );
    expect(others).toEqual([]);
    expect(tests.length).toBeGreaterThan(600);
  },
  300_000,
);
