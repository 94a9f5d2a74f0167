import { type Diagnostic, errorFor, type Location, locationOf } from '../diagnostic.ts';
import { expectedErrors, KsealError, located, throwAll } from '../errors.ts';
import { type Binding, bindingTo, type Place, type Scope } from '../jwe/binding.ts';
import { type CompactJwe, leastPlaintext, readCompact } from '../jwe/compact.ts';
import { compactText, isSealedInSomeForm, looksSealed, readSealedValue } from '../jwe/detect.ts';
import { type Encrypt, encryptAll, type PublicKey } from '../jwe/encrypt.ts';
import {
  checkApplied,
  checkCount,
  checkSize,
  missingKeys,
  secretLabel,
} from '../kubernetes/secret.ts';
import { copiesIn, describeMetadata, keepsCopy, plaintextAnnotations } from '../manifest/copies.ts';
import { type Edit, editManifest } from '../manifest/edit.ts';
import { rawCommands } from '../manifest/nested.ts';
import { nameOf } from '../manifest/nodes.ts';
import { placeholderTool, startsLikeSops } from '../manifest/other-tools.ts';
import { locationIn, placeOf } from '../manifest/place.ts';
import { readManifest } from '../manifest/read.ts';
import { fieldsOfSecret } from '../manifest/read-secret.ts';
import {
  type Annotation,
  type Entry,
  type Field,
  fieldNames,
  type Manifest,
  type NestedSecret,
  type SecretDocument,
} from '../manifest/types.ts';
import { listOf, shellWord, suggest } from '../text.ts';
import {
  checkPlaintext,
  checkSealed,
  isMismatch,
  type Plaintext,
  underPolicy,
  type ValuePolicy,
  valueWarningCodes,
  type Warning,
} from './value-warnings.ts';

/** The codes that `--allow` takes. */
export const allowedCodes: readonly string[] = [
  ...valueWarningCodes,
  ...['cut-off', 'key-mismatch', 'plaintext-left'],
];

export interface SealOptions {
  readonly scope: Scope;
  /** The namespace of manifests that name none. It goes into the binding, never into the file. */
  readonly namespace: string | undefined;
  /** New values are written as JWE under `stringData`. */
  readonly stringData: boolean;
  readonly policy: ValuePolicy;
  /**
   * The keys that existing sealed values may use, by kid: the length of the modulus in bits, if
   * known. Undefined: any key, because none is known.
   */
  readonly knownKeys: ReadonlyMap<string, number | undefined> | undefined;
  /** The options of the command line about the key, for hints: ` -k prod.pub`. */
  readonly given?: string;
  /** Seals in this thread by default. */
  readonly encrypt?: Encrypt;
}

/** A value from outside the manifest. */
export interface NewValue extends Plaintext {
  /** The file that it was read from, if it is a JWE, compact or flattened. */
  readonly jweFile?: string;
  /** The codes of the warnings that a person has seen and accepted. */
  readonly accepted?: ReadonlySet<string>;
}

export interface Sealed {
  /** The whole text of the manifest after sealing. */
  readonly text: string;
  readonly warnings: readonly Diagnostic[];
  /** The number of values sealed now, and the number that were already sealed. */
  readonly sealed: number;
  readonly kept: number;
  /** The kids in the headers of the latter, one for each value. */
  readonly keptKids: readonly string[];
}

/** Seals every plaintext value of a manifest. Throws all its problems at once. */
export async function sealManifest(
  manifest: Manifest,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  const { sealed } = await startSealing(manifest, key, options);
  return sealed;
}

/** The values after which threads get a chance to deliver what they have encrypted. */
const VALUES_AT_ONCE = 128;

/**
 * Checks all values of a manifest, and begins to encrypt those of one Secret while it checks the
 * next. Throws all problems at once; after that only the encryption can fail.
 */
export async function startSealing(
  manifest: Manifest,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<{ readonly sealed: Promise<Sealed> }> {
  throwAll(manifest.problems.map((problem) => errorFor(manifest.path, problem)));
  const begun: Begun[] = [];
  let values = 0;
  for (const secret of manifest.secrets) {
    const one = begin(planSecret(manifest.path, secret, options), key, options);
    begun.push(one);
    values += one.plan.jobs.length;
    if (values < VALUES_AT_ONCE) continue;
    values = 0;
    await new Promise((done) => setImmediate(done));
  }
  const nested = checkAll(
    manifest,
    begun.map(({ plan }) => plan),
    options,
  );
  return { sealed: carryOut(manifest, begun, nested) };
}

/**
 * Adds, replaces and removes values of one Secret of a manifest, and keeps the others. `key` may
 * be absent if every new value is sealed already.
 */
export async function sealInto(
  manifest: Manifest,
  secret: SecretDocument,
  changes: Changes,
  key: PublicKey | undefined,
  options: SealOptions,
): Promise<Sealed> {
  const plan = planChanges(manifest.path, secret, changes, options);
  const nested = checkAll(manifest, [plan], options);
  return carryOut(manifest, [begin(plan, key, options)], nested);
}

interface Changes {
  readonly values: readonly NewValue[];
  /** Data keys to remove. */
  readonly remove: readonly string[];
}

/** A plan whose values are being encrypted, in the order of its jobs. */
interface Begun {
  readonly plan: Plan;
  readonly jwes: Promise<readonly string[]>;
}

function begin(
  plan: Plan,
  key: PublicKey | undefined,
  { encrypt = encryptAll }: Pick<SealOptions, 'encrypt'>,
): Begun {
  if (plan.jobs.length === 0) return { plan, jwes: Promise.resolve([]) };
  if (key === undefined) throw new Error('no key for a value to seal');
  const jwes = encrypt(plan.jobs, key);
  // A failure is thrown by carryOut(), unless another Secret has an error.
  jwes.catch(() => {});
  return { plan, jwes };
}

/**
 * Searches for copies of the plaintexts. Returns the warnings about nested Secrets. Throws the errors
 * of all plans.
 */
function checkAll(
  manifest: Manifest,
  plans: readonly Plan[],
  { policy }: Pick<SealOptions, 'policy'>,
): readonly Diagnostic[] {
  const jobs = plans.flatMap((plan) => plan.jobs.map((job) => ({ ...job, plan })));
  const edits = plans.flatMap((plan) => [
    ...plan.edits,
    ...plan.jobs.map((job) => editOf(job, '')),
  ]);
  for (const { plaintext, location, where } of copiesIn(manifest, edits, jobs))
    attempt(plaintext.plan, location, () => underPolicy([copyWarning(where)], policy));
  throwAll(plans.flatMap<KsealError>(({ errors }) => errors));
  return nestedWarnings(manifest, policy);
}

async function carryOut(
  manifest: Manifest,
  begun: readonly Begun[],
  nested: readonly Diagnostic[],
): Promise<Sealed> {
  const edits: Edit[] = [];
  for (const { plan, jwes } of begun) {
    const texts = await jwes;
    plan.warnings.push(...largeWarnings(plan, texts));
    edits.push(...plan.edits, ...plan.jobs.map((job, at) => editOf(job, texts[at])));
  }
  const plans = begun.map(({ plan }) => plan);
  return {
    text: editManifest(manifest, edits),
    warnings: [...plans.flatMap(({ warnings }) => warnings), ...nested],
    sealed: plans.reduce((sum, { jobs }) => sum + jobs.length, 0),
    kept: plans.reduce((sum, { kept }) => sum + kept, 0),
    keptKids: plans.flatMap(({ keptKids }) => keptKids),
  };
}

/** A warning if the sealed values alone are too large for a client-side apply. */
function largeWarnings({ secret, jobs }: Plan, texts: readonly string[]): readonly Diagnostic[] {
  const encoded = (field: Field, length: number) =>
    field === 'data' ? Math.ceil(length / 3) * 4 : length;
  const sizes = new Map(
    secret.entries.map(({ key, field, bytes }) => [key, encoded(field, bytes.length)]),
  );
  for (const [at, { key, field }] of jobs.entries())
    sizes.set(key, encoded(field, texts[at]?.length ?? 0));
  // Each value is "key":"value", in the JSON.
  const total = [...sizes].reduce((sum, [key, size]) => sum + key.length + size + 6, 0);
  return checkApplied(total).map((words) => ({
    ...words,
    ...locationIn(secret),
    code: 'large-secret',
  }));
}

function editOf({ secret, field, key }: Job, text: string | undefined): Edit {
  if (text === undefined) throw new Error('a value was not sealed');
  return { kind: 'set', secret, field, key, bytes: Buffer.from(text) };
}

function copyWarning(where: string): Warning {
  return {
    code: 'plaintext-left',
    message: `a copy of the value stays in plaintext ${where}`,
    hint: 'remove it, and change the value if it was ever committed',
  };
}

/** The changes to one Secret, and the problems that planning them found. */
interface Plan {
  readonly path: string;
  readonly secret: SecretDocument;
  /** Undefined if the names of the Secret contradict the options. */
  readonly place: Omit<Place, 'key'> | undefined;
  readonly edits: Edit[];
  readonly jobs: Job[];
  readonly warnings: Diagnostic[];
  readonly errors: KsealError[];
  kept: number;
  readonly keptKids: string[];
  /** The total size of the opened values so far, in bytes. */
  bytes: number;
}

/** A plaintext that passed every check. */
interface Job {
  readonly secret: SecretDocument;
  readonly field: Field;
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly binding: Binding;
}

function newPlan(path: string, secret: SecretDocument, { namespace }: SealOptions): Plan {
  const start = {
    path,
    secret,
    edits: [],
    jobs: [],
    warnings: [],
    kept: 0,
    keptKids: [],
    bytes: 0,
  };
  try {
    return { ...start, place: placeOf(path, secret, namespace), errors: [] };
  } catch (thrown) {
    return { ...start, place: undefined, errors: [...expectedErrors(thrown)] };
  }
}

/** Adds the warnings that `action` returns, or the errors that it throws, to the plan. */
function attempt(plan: Plan, location: Location, action: () => readonly Warning[]): void {
  try {
    for (const warning of action()) plan.warnings.push({ ...location, ...warning });
  } catch (thrown) {
    const where = locationOf(plan.path, location);
    plan.errors.push(...expectedErrors(thrown).map((error) => located(where, error)));
  }
}

/** Plans to seal every plaintext value of a Secret. */
function planSecret(path: string, secret: SecretDocument, options: SealOptions): Plan {
  const plan = newPlan(path, secret, options);
  // Nothing has to be bound in a Secret without values.
  if (secret.entries.length === 0) plan.errors.splice(0);
  const rename = !options.stringData && holdsOnlyPlainStringData(secret);
  if (rename) plan.edits.push({ kind: 'rename-field', secret });
  for (const entry of secret.entries) {
    attempt(plan, locationIn(secret, entry), () => {
      const jwe = readSealedValue(entry.bytes);
      const field = rename ? 'data' : entry.field;
      if (jwe) return keep(plan, entry.key, jwe, options);
      const cut = entry.isCut ? underPolicy([cutWarning], options.policy) : [];
      const value = { ...entry, field, encoded: entry.field === 'data' };
      return [...cut, ...seal(plan, value, options)];
    });
  }
  for (const entry of secret.nulls)
    attempt(plan, locationIn(secret, entry), () => underPolicy([nullWarning], options.policy));
  return finish(
    plan,
    secret.entries.map(({ key }) => key),
    options,
  );
}

/** Removes an annotation whose purpose is to keep a copy, and warns about any other. */
function dropCopy(
  plan: Plan,
  { name: annotation, position }: Annotation,
  { policy }: SealOptions,
): void {
  const { secret } = plan;
  const location = locationIn(secret, { position });
  const hint = 'if it was ever committed, change the values as well';
  const what = describeMetadata('annotation', annotation);
  if (keepsCopy(annotation)) {
    plan.edits.push({ kind: 'remove-annotation', secret, annotation });
    const message = `removed ${what}, which contained plaintext`;
    plan.warnings.push({ ...location, code: 'removed-annotation', message, hint });
    return;
  }
  const message = `${what} contains a Secret in plaintext`;
  const warning = { code: 'plaintext-left', message, hint: `remove it; ${hint}` };
  attempt(plan, location, () => underPolicy([warning], policy));
}

const cutWarning: Warning = {
  code: 'cut-off',
  message: 'the value ends before #, which begins a comment after a space',
  hint: 'put the value in quotes, or a space after the #',
};

const mismatchWarning: Warning = {
  code: 'key-mismatch',
  message: 'the private key does not belong to the first certificate in tls.crt',
};

const nullWarning: Warning = {
  code: 'empty',
  message: 'the value is null: kubectl stores it as empty, and a kustomize patch deletes the key',
};

/**
 * Whether `stringData` can become `data` without touching a sealed value, and without making a
 * kustomize patch delete or replace entries of the other field.
 */
function holdsOnlyPlainStringData({ fields, entries, node }: SecretDocument): boolean {
  return (
    fields.has('stringData') &&
    !fields.has('data') &&
    !entries.some(({ bytes }) => looksSealed(bytes)) &&
    fieldsOfSecret(node, 'stringData').every(
      ({ value }) => value.kind !== 'map' || value.entries.length === entries.length,
    )
  );
}

/** Plans to add, replace and remove values. The others stay, and are checked if sealed. */
function planChanges(
  path: string,
  secret: SecretDocument,
  { values, remove }: Changes,
  options: SealOptions,
): Plan {
  const plan = newPlan(path, secret, options);
  attempt(plan, locationIn(secret), () => {
    for (const key of remove)
      plan.edits.push({ kind: 'remove', secret, field: fieldHolding(secret, key), key });
    return [];
  });
  const touched = new Set([...remove, ...values.map(({ key }) => key)]);
  const staying = secret.entries.filter(({ key }) => !touched.has(key));
  for (const entry of staying) {
    attempt(plan, locationIn(secret, entry), () => {
      const jwe = readSealedValue(entry.bytes);
      return jwe ? keep(plan, entry.key, jwe, options) : leavePlain(plan, entry, options);
    });
  }
  for (const { key, bytes, jweFile, accepted } of values) {
    const value = { field: fieldFor(secret, key, options), key, bytes };
    attempt(plan, locationIn(secret, { key }), () =>
      jweFile === undefined
        ? seal(plan, value, allowing(options, accepted))
        : takeOver(plan, value, jweFile, options),
    );
  }
  return finish(
    plan,
    [...staying, ...values].map(({ key }) => key),
    options,
  );
}

function fieldHolding({ entries }: SecretDocument, key: string): Field {
  const entry = entries.find((candidate) => candidate.key === key);
  if (entry !== undefined) return entry.field;
  const keys = entries.map((candidate) => candidate.key);
  const meant = suggest(key, keys);
  const present = listOf(keys) || 'none';
  throw new KsealError('USAGE', `no data key "${key}" to remove; data keys: ${present}`, {
    hint: meant && `did you mean ${meant}?`,
  });
}

/**
 * Returns the field for a value: that of the old value, else `stringData` only if the manifest has
 * no `data`, because keys removed from stringData stay in the cluster.
 */
function fieldFor(secret: SecretDocument, key: string, options: SealOptions): Field {
  const { entries, nulls, fields } = secret;
  const old = [...entries, ...nulls].find((entry) => entry.key === key)?.field;
  if (old !== undefined) return old;
  if (options.stringData) return 'stringData';
  return fields.has('stringData') && !fields.has('data') ? 'stringData' : 'data';
}

/** Adds the warnings that a person has accepted to those that the policy suppresses. */
function allowing(options: SealOptions, codes: ReadonlySet<string> = new Set()): SealOptions {
  const { policy } = options;
  return { ...options, policy: { ...policy, allow: new Set([...policy.allow, ...codes]) } };
}

type Value = Plaintext & Pick<Entry, 'field'>;

function seal(plan: Plan, value: Value, options: SealOptions): readonly Warning[] {
  const { field, key, bytes } = value;
  const warnings = checkPlaintext(value, plan.secret.type, options.policy);
  if (plan.place === undefined) return warnings;
  const binding = bindingTo(options.scope, { ...plan.place, key });
  plan.jobs.push({ secret: plan.secret, field, key, bytes, binding });
  plan.bytes += bytes.length;
  return warnings;
}

function keep(plan: Plan, key: string, jwe: CompactJwe, options: SealOptions): readonly Warning[] {
  plan.kept++;
  if (jwe.header.kid !== undefined) plan.keptKids.push(jwe.header.kid);
  plan.bytes += leastPlaintext(jwe);
  return plan.place === undefined
    ? []
    : checkSealed(jwe, { ...plan.place, key }, options.knownKeys, plan.path);
}

function takeOver(
  plan: Plan,
  { field, key, bytes }: Value,
  file: string,
  options: SealOptions,
): readonly Warning[] {
  const { name, namespace } = plan.place ?? {};
  const target =
    plan.path === '' ? `${name} -n ${namespace} -o FILE` : `--into ${shellWord(plan.path)}`;
  const command = `kseal seal ${target} -k NEW --stdin ${key} --keep-newline`;
  const compact = Buffer.from(compactText(bytes, { file, command }));
  plan.edits.push({ kind: 'set', secret: plan.secret, field, key, bytes: compact });
  return keep(plan, key, readCompact(compact), options);
}

function leavePlain(plan: Plan, { bytes }: Entry, { given = '' }: SealOptions): readonly Warning[] {
  plan.bytes += bytes.length;
  if (placeholderTool(Buffer.from(bytes).toString('utf8'), plan.secret.annotations)) return [];
  const hint = `seal the whole file: kseal seal -f ${shellWord(plan.path)} -i${given}`;
  return [{ code: 'still-plaintext', message: 'the value is still plaintext', hint }];
}

function finish(plan: Plan, keys: readonly string[], options: SealOptions): Plan {
  const { path, secret } = plan;
  for (const annotation of plaintextAnnotations(secret)) dropCopy(plan, annotation, options);
  if (secret.serverMetadata !== undefined) plan.warnings.push(secret.serverMetadata);
  checkPair(plan, options);
  attempt(plan, locationIn(secret), () => {
    checkCount(plan.jobs.length + plan.kept);
    return [];
  });
  attempt(plan, locationIn(secret), () => {
    checkSize(plan.bytes);
    return missingKeys(secret.type, new Set(keys)).map(({ key, message }) => ({
      code: 'missing-required-key',
      message,
      hint: `add it: kseal seal --into ${shellWord(path || 'FILE')} --from-file ${key}=PATH${options.given ?? ''}`,
    }));
  });
  return plan;
}

/** Adds a warning if the key of a TLS Secret is not that of its certificate, both sealed now. */
function checkPair(plan: Plan, { policy }: SealOptions): void {
  const { secret, jobs } = plan;
  if (secret.type !== 'kubernetes.io/tls') return;
  const bytesOf = (name: string) => jobs.find(({ key }) => key === name)?.bytes;
  const [certificate, key] = [bytesOf('tls.crt'), bytesOf('tls.key')];
  if (certificate === undefined || key === undefined || !isMismatch(certificate, key)) return;
  const entry = secret.entries.find((candidate) => candidate.key === 'tls.key');
  const location = locationIn(secret, entry ?? { key: 'tls.key' });
  attempt(plan, location, () => underPolicy([mismatchWarning], policy));
}

/**
 * Returns a warning for each Secret inside another object that has plaintext, because kseal does
 * not edit it. Throws VALUE_REFUSED under `strict`.
 */
export function nestedWarnings(
  { path, nested }: Pick<Manifest, 'path' | 'nested'>,
  { strict }: Pick<ValuePolicy, 'strict'>,
): readonly Diagnostic[] {
  const warnings = nested.flatMap((its): readonly Diagnostic[] => {
    const { position, key } = plaintextIn(its) ?? {};
    if (position === undefined) return [];
    const message = `not sealed: plaintext inside ${its.outer}, which kseal does not edit`;
    const hint = `seal each value: ${rawCommands(its, key).seal}, and put the output under stringData`;
    return [{ code: 'nested-secret', position, secret: secretLabel(its.secret), message, hint }];
  });
  if (strict) throwAll(warnings.map((warning) => errorFor(path, warning, 'VALUE_REFUSED')));
  return warnings;
}

/** Returns the first value that is not sealed or encrypted, and that no other tool replaces. */
function plaintextIn({ secret, source }: NestedSecret): Location | undefined {
  for (const field of fieldNames)
    for (const { value: values } of fieldsOfSecret(secret.node, field))
      for (const { key, value } of values.kind === 'map' ? values.entries : []) {
        if (value.kind !== 'scalar' || isHidden(field, value.text, secret)) continue;
        return { key: nameOf(key), position: source.position(value.start) };
      }
  return undefined;
}

function isHidden(field: Field, text: string, { annotations }: SecretDocument): boolean {
  if (text === '') return true;
  const forms = [Buffer.from(text), ...(field === 'data' ? [Buffer.from(text, 'base64')] : [])];
  return forms.some(
    (bytes) =>
      isSealedInSomeForm(bytes) ||
      startsLikeSops(bytes) ||
      placeholderTool(bytes.toString('utf8'), annotations) !== undefined,
  );
}

/** Returns the only value of a manifest that `sealInto` wrote under stringData: its compact JWE. */
export function bareJwe(text: string): string {
  const bytes = readManifest(text, '').secrets[0]?.entries[0]?.bytes ?? new Uint8Array();
  return Buffer.from(bytes).toString('latin1');
}
