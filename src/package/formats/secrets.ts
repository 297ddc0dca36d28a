/** Texts that are a secret by their form, each as those that issue it document it. */
const FORMS: readonly (readonly [what: string, form: RegExp])[] = [
  [
    'a private key',
    /-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----(?:\\r|\\n|\s)*[A-Za-z0-9+/=:,\- ]{16}/,
  ],
  ['an AWS access key', /\b(?:AKIA|ASIA)[A-Z2-7]{16}\b/],
  ['a GitHub token', /\b(?:gh[pousr]_[A-Za-z0-9]{36,}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59})\b/],
  ['a GitLab token', /\bglpat-[A-Za-z0-9_-]{20,}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{34,}\b/],
  ['an OpenAI key', /\bsk-(?:proj-|svcacct-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}/],
  ['an Anthropic key', /\bsk-ant-[a-z0-9]+-[A-Za-z0-9_-]{80,}/],
  ['a Slack token', /\bxox[abprs]-[A-Za-z0-9-]{20,}/],
  ['a Google API key', /\bAIza[A-Za-z0-9_-]{35}\b/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b/],
  ['a PyPI token', /\bpypi-AgEI[A-Za-z0-9_-]{50,}/],
  ['a Stripe key', /\b[rs]k_live_[A-Za-z0-9]{24,}\b/],
];

/** What secret a text holds: "a GitHub token on line 3". The secret itself is not told. */
export function secretIn(text: string): string | undefined {
  for (const [what, form] of FORMS) {
    const found = form.exec(text);
    if (found !== null) return `${what} on line ${text.slice(0, found.index).split('\n').length}`;
  }
  return undefined;
}

/** Whether a file is one in which secrets are kept, by its name. */
export function isSecretFile(path: string): boolean {
  const name = path.slice(path.lastIndexOf('/') + 1);
  return /^(?:\.env(?:\..*)?|\.netrc|\.npmrc|\.pypirc|\.git-credentials|id_(?:rsa|dsa|ecdsa|ed25519))$|\.(?:pem|key|p12|pfx|jks|keystore)$/i.test(
    name,
  );
}
