import { BlockList, isIP } from 'node:net';
import { UserError } from './errors.ts';
import { isLoopback } from './loopback.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a URL by the variables that curl and others read: HTTP_PROXY, HTTPS_PROXY and NO_PROXY, in small letters first.
 * NO_PROXY lists hosts, domains with what is below them, networks (10.0.0.0/8) and `*`, each host with an optional port. What is
 * on this machine is never asked for through a proxy.
 * @throws UserError for a proxy that is none
 */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const name = url.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const proxy = variable(env, name);
  if (proxy === '' || isLoopback(url.hostname) || isExempt(url, variable(env, 'no_proxy'))) return undefined;
  const uri = proxy.includes('://') ? proxy : `http://${proxy}`;
  if (/^https?:$/.test(URL.canParse(uri) ? new URL(uri).protocol : '')) return uri;
  // Never the value itself: it may hold a password.
  throw new UserError(`${name.toUpperCase()} is not the URL of a proxy; it has the form http://HOST:PORT`);
}

function variable(env: Environment, name: string): string {
  return env[name] || env[name.toUpperCase()] || '';
}

function isExempt({ protocol, hostname, port }: URL, list: string): boolean {
  const ownPort = port || (protocol === 'https:' ? '443' : '80');
  const host = hostname.toLowerCase().replace(/^\[|\]$/g, '');
  return list
    .toLowerCase()
    .split(/[\s,]+/)
    .filter(Boolean)
    .some((entry) => {
      if (entry.includes('/')) return isInNetwork(host, entry);
      const [, name = '', exemptPort = ownPort] = isIP(entry)
        ? ['', entry]
        : (/^(.*?)(?::(\d+))?$/.exec(entry) ?? []);
      const domain = name.replace(/^\*?\.|^\[|\]$/g, '');
      return exemptPort === ownPort && (name === '*' || host === domain || host.endsWith(`.${domain}`));
    });
}

function isInNetwork(host: string, network: string): boolean {
  const [address = '', bits = ''] = network.split('/');
  const kind = isIP(address);
  if (kind === 0 || kind !== isIP(host) || !/^\d+$/.test(bits) || Number(bits) > (kind === 4 ? 32 : 128))
    return false;
  const family = kind === 4 ? 'ipv4' : 'ipv6';
  const list = new BlockList();
  list.addSubnet(address, Number(bits), family);
  return list.check(host, family);
}
