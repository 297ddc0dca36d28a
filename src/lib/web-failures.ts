import { codeOf, MachineError, messageOf, UserError } from './errors.ts';
import { TransientError } from './retry.ts';

/** What the network does, or undici says of it. */
const NETWORK =
  /^(E(CONN\w+|PIPE|TIMEDOUT|HOSTUNREACH|NETUNREACH|AI_AGAIN)|ENOTFOUND|UND_ERR_(SOCKET|\w*TIMEOUT|RES\w+|INFO|HEADERS_OVERFLOW)|ERR_STREAM_PREMATURE_CLOSE|HPE_\w+)$/;
/** What Node says of certificates (OpenSSL's verification results, and its own check of the name). */
const CERTIFICATE = /CERT|SELF_SIGNED|UNABLE_TO_|CRL|HOSTNAME_MISMATCH/;
const NO_TLS = /^(EPROTO|ERR_SSL_WRONG_VERSION_NUMBER|ERR_SSL_PACKET_LENGTH_TOO_LONG)$/;

/** A failure of a connection as a TransientError; anything else as it is. */
export function asTransient(error: unknown): unknown {
  const code = codeOf(error);
  if (code === undefined || !NETWORK.test(code)) return error;
  return new TransientError(messageOf(error) || code, { cause: error });
}

/** The same for a request: what a person has to mend is said in words. */
export function failureOf(error: unknown, { host }: URL): unknown {
  const code = codeOf(error) ?? '';
  const options = { cause: error };
  if (code === 'UND_ERR_ABORTED')
    return new MachineError(
      `the proxy gives no way to ${host}; look at HTTPS_PROXY, HTTP_PROXY and NO_PROXY`,
      options,
    );
  if (NO_TLS.test(code))
    return new UserError(
      `${host} does not speak TLS there. Check host and port; one that is meant to be plain http is named in the input plain-http`,
      options,
    );
  if (CERTIFICATE.test(code))
    return new UserError(
      `the certificate of ${host} is not trusted (${code}). Set NODE_EXTRA_CA_CERTS to a file with the certificate of who issued it`,
      options,
    );
  return asTransient(error);
}

/** The error for what was tried often enough. */
export function givenUp(what: string, error: TransientError): MachineError {
  const { waitSeconds = 0 } = error;
  const wait = waitSeconds > 0 ? ` It asks to wait for ${Math.ceil(waitSeconds)} s.` : '';
  return new MachineError(
    `${what} does not succeed: ${messageOf(error)}.${wait} Look at that service and the way to it, and run this again; what has arrived is not sent again`,
    { cause: error.cause },
  );
}
