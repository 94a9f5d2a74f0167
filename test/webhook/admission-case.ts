import type { Scope } from '../../src/jwe/binding.ts';
import type { KeyState } from '../../src/jwe/decrypt.ts';
import type { Operation } from '../helpers/json-patch.ts';
import { flipBit, makeJwe } from '../helpers/jwe.ts';

/** A review, and what is answered to it: one file of fixtures/admission/. */
export interface AdmissionCase {
  /** With the number of the check in front, as in `W1: one sealed value, and one that is not`. */
  readonly title: string;
  readonly options?: CaseOptions;
  /** The values that the review holds, by name. */
  readonly values?: Readonly<Record<string, ValueSpec>>;
  /** An AdmissionReview. In its texts `${password}` is that value as it stands under `data`. */
  readonly review: Review;
  readonly response: Response;
  /** How often keys are asked, and how often if the same review comes again. */
  readonly calls: number;
  readonly again?: number;
}

export interface CaseOptions {
  readonly acceptUnbound?: readonly string[];
  readonly maxScope?: Scope;
  /** By the name of a key; the others are active. */
  readonly states?: Readonly<Record<string, KeyState>>;
  /** Keys that no KMS can fail for are in files; these options are the server's alone. */
  readonly server?: {
    /** A KMS could not be reached yet. */
    readonly pending?: true;
    /** The error that every key fails with. */
    readonly failing?: string;
  };
}

/** A sealed value: in the place hr/db, under its own name, to key k, unless it says otherwise. */
export interface ValueSpec {
  readonly text?: string;
  /** In place of a text the name of another value: that one is sealed once more. */
  readonly inside?: string;
  readonly to?: string;
  readonly scope?: Scope;
  readonly namespace?: string;
  readonly name?: string;
  readonly key?: string;
  /** The whole protected header. */
  readonly header?: string;
  /** What is done to the JWE afterwards: the words of `steps`. */
  readonly then?: readonly string[];
}

interface Review {
  readonly request: { readonly uid: string };
}

/** An AdmissionResponse without its uid and patchType, and its patch as it is once it is decoded. */
interface Response {
  readonly allowed: boolean;
  readonly patch?: readonly Operation[];
  readonly warnings?: readonly string[];
  readonly status?: object;
}

/** What a case becomes: all values are made. */
export interface MadeCase {
  readonly review: Buffer;
  readonly uid: string;
  readonly response: Response;
  /** The JWEs, each with the name of the key that it is sealed to. */
  readonly sealed: readonly { readonly jwe: string; readonly to: string }[];
  readonly canaries: readonly string[];
}

/** The public keys of a run by name, and their kids. */
export interface Keys {
  readonly publicPem: (name: string) => string;
  readonly kid: (name: string) => string;
}

export function makeCase({ values = {}, review, response }: AdmissionCase, keys: Keys): MadeCase {
  const made = new Map<string, string>();
  for (const [name, spec] of Object.entries(values)) made.set(name, sealed(name, spec));
  function sealed(name: string, spec: ValueSpec): string {
    const { text = made.get(spec.inside ?? '') ?? '', to = 'k', then = [] } = spec;
    const header = kidsIn(spec.header ?? headerOf(name, spec, to), keys);
    const jwe = makeJwe(Buffer.from(text), keys.publicPem(to), header);
    return then.reduce(changed, jwe);
  }
  const fill = (text: string) =>
    kidsIn(text, keys)
      .replace(/\$\{text:([^}]*)\}/g, (_, plain) => base64(plain))
      .replace(/\$\{([\w-]+)\}/g, (whole, name) => base64(made.get(name) ?? fail(whole)));
  return {
    // An expected error may name a key too, in the words of the response.
    review: Buffer.from(fill(JSON.stringify(review))),
    uid: review.request.uid,
    response: JSON.parse(fill(JSON.stringify(response))),
    sealed: [...made].map(([name, jwe]) => ({ jwe, to: values[name]?.to ?? 'k' })),
    canaries: Object.values(values).flatMap(({ text = '' }) => text.match(/CANARY-[\w-]+/g) ?? []),
  };
}

function fail(placeholder: string): never {
  throw new Error(`the case has no value for ${placeholder}`);
}

const base64 = (text: string) => Buffer.from(text, 'latin1').toString('base64');

function kidsIn(text: string, { kid }: Keys): string {
  return text.replace(/\$\{kid:(\w+)\}/g, (_, name) => kid(name));
}

/** A header as kseal writes it, by another hand. */
function headerOf(name: string, spec: ValueSpec, to: string): string {
  const { scope = 'strict', namespace = 'hr', name: secret = 'db', key = name } = spec;
  const places = {
    strict: { namespace, name: secret, key },
    'namespace-wide': { namespace },
    'cluster-wide': {},
  };
  const kseal = { scope, ...places[scope] };
  return JSON.stringify({ alg: 'RSA-OAEP-256', enc: 'A128CBC-HS256', kseal, kid: `\${kid:${to}}` });
}

const names = ['protected', 'encrypted_key', 'iv', 'ciphertext', 'tag'];

/** What may be done to a JWE: `flip 4 0` changes a bit in byte 0 of segment 4. */
const steps: Readonly<Record<string, (jwe: string, ...args: string[]) => string>> = {
  flip: (jwe, segment, byte) => flipBit(jwe, Number(segment), Number(byte)),
  base64,
  newline: (jwe) => `${jwe}\n`,
  cut: (jwe, length) => jwe.slice(0, Number(length)),
  flatten: (jwe) =>
    JSON.stringify(Object.fromEntries(jwe.split('.').map((part, i) => [names[i], part]))),
  segment: (jwe, index, text = '') =>
    jwe
      .split('.')
      .map((part, i) => (i === Number(index) ? text : part))
      .join('.'),
  padded: (jwe) => `${jwe}=`,
};

function changed(jwe: string, step: string): string {
  const [word = '', ...args] = step.split(' ');
  return (steps[word] ?? fail(step))(jwe, ...args);
}
