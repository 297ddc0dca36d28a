/** Forms of credentials that their issuers made recognisable. */
const TOKENS: readonly (readonly [string, RegExp])[] = [
  ['a GitHub token', /\b(gh[pousr]_[A-Za-z0-9]{36,}|github_pat_\w{22,})/],
  ['a GitLab token', /\bglpat-[\w-]{20,}/],
  ['an AWS access key', /\b(AKIA|ASIA)[A-Z0-9]{16}\b/],
  ['a Google API key', /\bAIza[\w-]{35}\b/],
  ['a Slack token', /\bxox[abprs]-[\w-]{10,}/],
  ['a Hugging Face token', /\bhf_[A-Za-z0-9]{30,}/],
  ['an OpenAI or Anthropic key', /\bsk-(ant-|proj-)?[\w-]{20,}/],
  ['an npm token', /\bnpm_[A-Za-z0-9]{36}\b/],
  ['a private key', /-----BEGIN [A-Z ]*PRIVATE KEY-----/],
  ['a JSON Web Token', /\beyJ[\w-]{10,}\.eyJ[\w-]{10,}\.[\w-]+/],
  ['a URL with a password', /\b\w+:\/\/[^\s:@/]*:[^\s@/]+@/],
];

/** What kind of credential a text has the form of; undefined when of none. */
export function credentialIn(text: string): string | undefined {
  return TOKENS.find(([, form]) => form.test(text))?.[0];
}
