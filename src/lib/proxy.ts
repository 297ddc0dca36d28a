/**
 * The proxy for a URL by the variables that curl and others read: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in small letters first.
 * NO_PROXY lists hosts, domains with what is below them, and `*`, each with an optional port.
 */
export function proxyFor(url: URL, env: Readonly<Record<string, string | undefined>>): string | undefined {
  const value = (name: string): string => env[name] || env[name.toUpperCase()] || '';
  const proxy = value(url.protocol === 'https:' ? 'https_proxy' : 'http_proxy');
  if (proxy === '') return undefined;
  const port = url.port || (url.protocol === 'https:' ? '443' : '80');
  const host = url.hostname.toLowerCase();
  const isExempt = value('no_proxy')
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      const [, name = '', exemptPort = port] = /^(.*?)(?::(\d+))?$/.exec(entry) ?? [];
      const domain = name.replace(/^\*?\./, '');
      return exemptPort === port && (name === '*' || host === domain || host.endsWith(`.${domain}`));
    });
  return isExempt ? undefined : proxy;
}
