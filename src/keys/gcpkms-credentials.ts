import { KsealError } from '../errors.ts';

export const LOGIN = 'gcloud auth application-default login';

/** gRPC's words before what failed while it got a token for a call. */
const TOKEN_FAILED = 'Getting metadata from plugin failed with error: ';

/** How node says that a host is out of reach, or not to be trusted. */
const OFFLINE =
  /\b(?:ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|EHOSTUNREACH|socket hang up|network timeout|fetch failed|aborted|certificate)\b/;

/** An error code of OAuth 2.0 (RFC 6749 §5.2), as Google's token service answers it. */
const OAUTH_CODE = /\b(?:invalid|unauthorized|unsupported|access)_[a-z_]+\b/;

/** Whether a call failed before it was made, for want of a token. */
export function isTokenFailure(error: Error): boolean {
  return error.message.includes(TOKEN_FAILED);
}

/**
 * No token was to be had. What the packages say may quote the credentials, so of it only a
 * code is shown, and it is kept as no cause.
 */
export function tokenFailure({ message }: Error): KsealError {
  if (OFFLINE.test(message)) {
    return new KsealError('KEY_UNAVAILABLE', "Google's token service cannot be reached", {
      hint: 'check the network and the proxy (https_proxy), and run it again',
    });
  }
  const code = OAUTH_CODE.exec(message)?.[0];
  const why = code === undefined ? '' : ` (${code})`;
  return new KsealError(
    'KEY_CREDENTIALS',
    `Google gives no token for these credentials: they are expired, revoked or not complete${why}`,
    { hint: LOGIN },
  );
}

/** The search for credentials failed: there are none, or those there are cannot be read. */
export function noCredentials(error: unknown, credentialFile: string | undefined): KsealError {
  if (credentialFile) {
    return new KsealError(
      'KEY_CREDENTIALS',
      `GOOGLE_APPLICATION_CREDENTIALS names ${credentialFile}, which holds no Google credentials`,
      { hint: `unset GOOGLE_APPLICATION_CREDENTIALS; ${LOGIN}` },
    );
  }
  const none = error instanceof Error && error.message.includes('default credentials');
  return new KsealError(
    'KEY_CREDENTIALS',
    none ? 'no Google credentials found' : 'the Google credentials found cannot be used',
    { hint: LOGIN },
  );
}
