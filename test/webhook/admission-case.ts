import type { Scope } from '../../src/jwe/binding.ts';
import type { KeyState } from '../../src/jwe/decrypt.ts';
import type { Operation } from '../helpers/json-patch.ts';
import { flipBit, makeJwe } from '../helpers/jwe.ts';
import { keys } from './keys.ts';

/** One file of fixtures/admission/: a review and the expected response. */
export interface AdmissionCase {
  readonly title: string;
  readonly options?: CaseOptions;
  /** The values that the review uses, by name. */
  readonly values?: Readonly<Record<string, ValueSpec>>;
  /** An AdmissionReview. `${password}` in it becomes that value, as `data` holds it. */
  readonly review: Review;
  readonly response: Response;
  /** The number of key requests, and that of the same review a second time. */
  readonly calls: number;
  readonly again?: number;
}

export interface CaseOptions {
  readonly acceptUnbound?: readonly string[];
  readonly maxScope?: Scope;
  /** By name; other keys are active. */
  readonly states?: Readonly<Record<string, KeyState>>;
  /** Options that only the server supports, because the command reads key files. */
  readonly server?: {
    /** Whether a reference could not be read yet. */
    readonly pending?: true;
    /** The code of the error that every key fails with; followed by ` once` for the first request. */
    readonly failing?: string;
  };
}

/** A sealed value; by default for hr/db, with its own name as the data key, to key k. */
export interface ValueSpec {
  readonly text?: string;
  /** The name of another value to seal again, instead of a text. */
  readonly inside?: string;
  readonly to?: string;
  readonly scope?: Scope;
  readonly namespace?: string;
  readonly name?: string;
  readonly key?: string;
  /** Replaces the whole protected header. */
  readonly header?: string;
  /** Changes to the finished JWE, as in `steps`. */
  readonly then?: readonly string[];
}

interface Review {
  readonly request: { readonly uid: string };
}

/** An AdmissionResponse without uid and patchType, and with a decoded patch. */
interface Response {
  readonly allowed: boolean;
  readonly patch?: readonly Operation[];
  readonly warnings?: readonly string[];
  readonly status?: object;
}

/** A case with its values sealed. */
export interface MadeCase {
  readonly review: Buffer;
  readonly uid: string;
  readonly response: Response;
  /** The JWEs, with the names of the keys that they are sealed to. */
  readonly sealed: readonly { readonly jwe: string; readonly to: string }[];
  readonly canaries: readonly string[];
}

export function makeCase({ values = {}, review, response }: AdmissionCase): MadeCase {
  const made = new Map<string, string>();
  for (const [name, spec] of Object.entries(values)) made.set(name, sealed(name, spec));
  function sealed(name: string, spec: ValueSpec): string {
    const { text = made.get(spec.inside ?? '') ?? '', to = 'k', then = [] } = spec;
    const header = kidsIn(spec.header ?? headerOf(name, spec, to));
    const jwe = makeJwe(Buffer.from(text), keys.publicPem(to), header);
    return then.reduce(changed, jwe);
  }
  const fill = (text: string) =>
    kidsIn(text)
      .replace(/\$\{text:([^}]*)\}/g, (_, plain) => base64(plain))
      .replace(/\$\{([\w-]+)\}/g, (whole, name) => base64(made.get(name) ?? fail(whole)));
  return {
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

function kidsIn(text: string): string {
  return text.replace(/\$\{kid:(\w+)\}/g, (_, name) => keys.kid(name));
}

/** A header as kseal writes it, written independently. */
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

/** Changes to a JWE: `flip 4 0` flips a bit in byte 0 of segment 4. */
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
