import { kidOfPem, makeJwe } from '../helpers/jwe.ts';

/** A Secret; hr/db by default. */
export interface Where {
  readonly namespace?: string;
  readonly name?: string;
}

/** A sealed value for its Secret and data key, as `data` holds it. */
export function sealed(
  plaintext: string,
  publicPem: string | Buffer,
  key: string,
  { namespace = 'hr', name = 'db' }: Where = {},
): string {
  const binding = JSON.stringify({ scope: 'strict', namespace, name, key });
  const kid = kidOfPem(publicPem);
  const header = `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kseal":${binding},"kid":"${kid}"}`;
  return Buffer.from(makeJwe(Buffer.from(plaintext), publicPem, header)).toString('base64');
}

/** `count` sealed values: `key-0` with the plaintext `value-0`, and so on. */
export function sealedValues(count: number, publicPem: string): Record<string, string> {
  const entry = (_: unknown, index: number) =>
    [`key-${index}`, sealed(`value-${index}`, publicPem, `key-${index}`)] as const;
  return Object.fromEntries(Array.from({ length: count }, entry));
}

/** The text of an AdmissionReview for the creation of a Secret. */
export function creation(
  data: Readonly<Record<string, string>>,
  { namespace = 'hr', name = 'db', uid = 'u1' }: Where & { readonly uid?: string } = {},
): string {
  return JSON.stringify({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    request: {
      uid,
      kind: { group: '', version: 'v1', kind: 'Secret' },
      resource: { group: '', version: 'v1', resource: 'secrets' },
      operation: 'CREATE',
      namespace,
      name,
      object: { apiVersion: 'v1', kind: 'Secret', metadata: { namespace, name }, data },
      oldObject: null,
    },
  });
}

/** The response in an answer, with the decoded values of its patch by data key. */
export function answered(text: string) {
  const { response } = JSON.parse(text);
  const patch: { op: string; path: string; value: string }[] =
    response.patch === undefined
      ? []
      : JSON.parse(Buffer.from(response.patch, 'base64').toString());
  const opened = patch.map(({ path, value }) => [
    path.replace('/data/', ''),
    Buffer.from(value, 'base64').toString(),
  ]);
  return { ...response, opened: Object.fromEntries(opened) as Record<string, string> };
}
