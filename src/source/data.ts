import { z } from 'zod';
import { isLoopback } from '../lib/loopback.ts';
import { strict } from '../lib/strict.ts';
import { digest } from '../records/oci.ts';
import { command } from './command.ts';

const OCI = 'HOST/REPOSITORY@sha256:…, or /FOLDER@sha256:…, as the action data prints it';
/** Parts of a URL that are secrets or end soon; a record keeps what is written here for ever. */
const SIGNED = /^(x-(amz|goog)-\w+|sig(nature)?|\w*token|\w*key)$/i;

const path = strict({
  path: z
    .string()
    .min(1)
    .describe('A file or folder; a relative one lies in the runner machine’s TRAINYARD_DATA folder'),
  digest,
});

const oci = strict({
  oci: z
    .string()
    .regex(/^(\/[^@]+|[^@\s/]+(\/[^@\s/]+)+)@sha256:[0-9a-f]{64}$/, OCI)
    .describe(`A data set in a store: ${OCI}`),
});

const https = strict({
  https: z
    .string()
    .superRefine((text, context) => {
      const problem = urlProblem(text);
      if (problem !== undefined) context.addIssue({ code: 'custom', message: problem });
    })
    .describe('The URL of one file'),
  digest,
});

const hf = strict({
  hf: z
    .string()
    .regex(/^[\w.-]+(\/[\w.-]+)?$/, 'a repository: ORGANISATION/NAME')
    .describe('A repository of the Hugging Face Hub, or of a host that speaks its protocol'),
  revision: z
    .string('a branch, a tag or a commit')
    .min(1)
    .describe('A branch, a tag or a commit; build writes down which commit it is'),
  type: z.enum(['dataset', 'model']).default('dataset'),
  files: z.array(z.string().min(1)).min(1).optional().describe('Globs; without them all files'),
});

const dvc = strict({
  dvc: z
    .string()
    .regex(/(\.dvc|^dvc\.lock|\/dvc\.lock)$/, 'a file that DVC keeps in the commit: NAME.dvc or dvc.lock')
    .describe('A file of DVC in the commit, NAME.dvc or dvc.lock; its MD5 says which data are meant'),
  out: z.string().min(1).optional().describe('Which of its outs, as the file writes it; not needed for one'),
});

const made = strict({
  command: command.describe(
    'Run on the runner machine before the trainer, in its folder and without a shell; it puts the data into the folder ${output}, and its last line is their digest',
  ),
  digest,
});

const FORMS =
  '{path: FILE, digest: "sha256:…"}, {oci: "HOST/REPOSITORY@sha256:…"}, {https: URL, digest: "sha256:…"}, {hf: ORGANISATION/NAME, revision: …}, {dvc: FILE.dvc} or {command: …, digest: "sha256:…"}';

/** One data set of `trainyard.yml`. */
export const data = z.union([path, oci, https, hf, dvc, made], `one of ${FORMS}`);
export type DataSource = z.output<typeof data>;

function urlProblem(text: string): string | undefined {
  if (!URL.canParse(text)) return 'a URL: https://HOST/FILE';
  const url = new URL(text);
  if (url.protocol !== 'https:' && !(url.protocol === 'http:' && isLoopback(url.hostname)))
    return 'https alone: what comes over plain http can be changed on the way, and seen';
  if (tellsSecret(url))
    return 'a URL without a password, token or signature: it stays in the record, and everyone can read it. Put the credential into the file .netrc of the runner machine';
  return undefined;
}

/** Whether a URL of http or https holds a password, token or signature, or may: a token is sent as the name of a user, too. */
export function tellsSecret({ username, password, searchParams }: URL): boolean {
  return username !== '' || password !== '' || [...searchParams.keys()].some((key) => SIGNED.test(key));
}
