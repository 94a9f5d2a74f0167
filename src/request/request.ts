import * as v from 'valibot';
import {
  checkYaml,
  fields,
  listOf,
  REQUEST_MARKER as MARKER,
  mapOf,
  oneOf,
  parseWords,
  text,
  words,
} from '../config/schema.ts';
import type { Location, Words } from '../diagnostic.ts';
import { type Scope, scopes } from '../jwe/binding.ts';
import { isDataKey } from '../kubernetes/secret.ts';
import { printYaml } from '../yaml/print.ts';
import {
  lengthsOf,
  MAX_MATCHED,
  MAX_PATTERN,
  matchesPattern,
  parsePattern,
  patternSyntax,
} from './pattern.ts';

// A request lists values that somebody else is to provide, and where they go. Everything in this
// folder is plain data and pure functions without Node.js, so that it also runs in a browser.

export const formats = [
  'text',
  'lines',
  'pem-certificate',
  'pem-private-key',
  'json',
  'url',
  'file',
] as const;

export type Format = (typeof formats)[number];

/** The characters that a value is made up of, by the name of the alphabet. */
export const alphabets = {
  'letters-digits': 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789',
  'lower-digits': 'abcdefghijklmnopqrstuvwxyz0123456789',
  hex: '0123456789abcdef',
  digits: '0123456789',
  symbols:
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#%*+,-./:;<=>?@^_~()[]{}',
} as const;

export type Alphabet = keyof typeof alphabets;

/** A value that is asked for, and the checks of the answer. */
export interface AskedValue {
  /** The data key. */
  readonly key: string;
  readonly label: string;
  readonly help?: string | undefined;
  readonly format: Format;
  /** The length in characters; in bytes for the format `file`. */
  readonly min?: number | undefined;
  readonly max?: number | undefined;
  readonly pattern?: string | undefined;
  /** It may be made up; the number of characters. */
  readonly generate?: number | undefined;
  readonly alphabet?: Alphabet | undefined;
  /** The data key of the certificate that a private key belongs to. */
  readonly certificate?: string | undefined;
}

/** A Secret that the answers are sealed into. */
export interface Target {
  /** The manifest, relative to the folder of the request, with `/`. */
  readonly file: string;
  readonly namespace: string;
  readonly name: string;
  readonly type?: string | undefined;
  /** A configured name, or a file relative to the folder of the request. */
  readonly key?: string | undefined;
  readonly scope?: Scope | undefined;
  readonly field?: 'data' | 'stringData' | undefined;
}

export interface SecretRequest {
  readonly title: string;
  /** The person or team that asks, and a sentence from them. */
  readonly from?: string | undefined;
  readonly note?: string | undefined;
  readonly targets: readonly Target[];
  readonly values: readonly AskedValue[];
}

const yamlMarker = new RegExp(`^["']?${MARKER}["']?[ \\t]*:`, 'm');
const jsonMarker = new RegExp(`^\\uFEFF?\\s*\\{\\s*"${MARKER}"`);

/** Whether a text is meant as a request, even if it is malformed. */
export function isRequest(source: string): boolean {
  return source.includes(MARKER) && (yamlMarker.test(source) || jsonMarker.test(source));
}

type JsonSchema = Readonly<Record<string, unknown>>;

/** A kind of scalar: the check of the reader and its JSON Schema. */
interface Kind {
  readonly read: v.GenericSchema<unknown, unknown>;
  readonly json: JsonSchema;
}

interface Field extends Kind {
  /** For the JSON Schema. */
  readonly about: string;
  readonly required?: true;
}

/** Text on one line that matches a pattern, of at most `most` characters. */
function like(pattern: string, most: number, problem: string, hint: string): Kind {
  const form = new RegExp(pattern, 'u');
  const fits = (line: string) => form.test(line) && [...line].length <= most;
  return {
    read: v.pipe(text, v.check(fits, words(problem, hint))),
    json: { type: 'string', pattern, maxLength: most },
  };
}

/** Everything that some reader of YAML takes for the end of a line. */
const BREAKS = '\\p{Cc}\\p{Zl}\\p{Zp}\\uFEFF';

function line(most: number): Kind {
  const problem = `must be one line of at most ${most} characters`;
  return like(`^[^${BREAKS}]+$`, most, problem, 'shorten it');
}

function choice(values: readonly string[]): Kind {
  return { read: oneOf(values), json: { enum: values } };
}

function count(least: number, most: number): Kind {
  const problem = words(`must be a number from ${least} to ${most}`, 'write digits only');
  const isCount = (digits: string) =>
    /^(?:0|[1-9]\d{0,8})$/.test(digits) && Number(digits) >= least && Number(digits) <= most;
  return {
    read: v.pipe(text, v.check(isCount, problem), v.transform(Number)),
    json: { type: 'integer', minimum: least, maximum: most },
  };
}

/** The most bytes of one value: Kubernetes stores at most 1 MiB in a Secret. */
export const MAX_VALUE = 1024 * 1024;
const MAX_TARGETS = 32;
const MAX_VALUES = 256;

const LABEL = '[a-z0-9](?:[-a-z0-9]*[a-z0-9])?';
const namespace = like(
  `^${LABEL}$`,
  63,
  'is not a namespace',
  'use at most 63 lower-case letters, digits and "-"',
);
const secretName = like(
  `^${LABEL}(?:\\.${LABEL})*$`,
  253,
  'is not the name of a Secret',
  'use at most 253 lower-case letters, digits, "-" and "."',
);
const DATA_KEY = '^(?!\\.\\.)(?!\\.$)[-._a-zA-Z0-9]+$';
const dataKey = like(DATA_KEY, 253, 'is not a data key', 'use letters, digits, "-", "_" and "."');
/**
 * Names that begin with a dot are refused, because they hold the settings of programs, and invisible
 * characters, which some file systems ignore.
 */
const NAME = `[^./\\\\:${BREAKS}\\p{Cf}][^/\\\\:${BREAKS}\\p{Cf}]*`;
const manifestFile = like(
  `^(?:\\.\\./)*(?:${NAME}/)*${NAME}\\.(?:ya?ml|json)$`,
  500,
  'must be the relative path of a .yaml or .json file',
  'write it with /, and without names that begin with a dot: ../clusters/prod/db.yaml',
);
const keyReference = like(
  `^(?!.*://)[^${BREAKS}]+$`,
  500,
  'must be a configured name or a file',
  'fetch the key first: kseal fetch-pubkey REF -o prod.pub',
);

const targetFields: Readonly<Record<keyof Target, Field>> = {
  file: {
    ...manifestFile,
    about: 'The manifest to write, relative to this file.',
    required: true,
  },
  namespace: { ...namespace, about: 'The namespace of the Secret.', required: true },
  name: { ...secretName, about: 'The name of the Secret.', required: true },
  type: { ...line(253), about: 'The type of the Secret, if the manifest is new.' },
  key: {
    ...keyReference,
    about:
      'The public key to seal to: a name in .kseal.yaml, or a file relative to this file. Without it, .kseal.yaml decides.',
  },
  scope: { ...choice(scopes), about: 'Where the values can be opened.' },
  field: { ...choice(['data', 'stringData']), about: 'The field of the Secret for new values.' },
};

const valueFields: Readonly<Record<Exclude<keyof AskedValue, 'key'>, Field>> = {
  label: {
    ...line(200),
    about: 'What the value is, in the words of the person who is asked.',
    required: true,
  },
  help: { ...line(1000), about: 'More about it: where to find it, whom to ask.' },
  format: { ...choice(formats), about: 'The form of the answer; text is one line (default).' },
  min: {
    ...count(0, MAX_VALUE),
    about: 'The least number of characters; of bytes for the format file.',
  },
  max: {
    ...count(1, MAX_VALUE),
    about: 'The greatest number of characters; of bytes for the format file.',
  },
  pattern: {
    ...like(
      patternSyntax,
      MAX_PATTERN,
      'is not a pattern that kseal supports',
      'use characters, [A-Z], [^A-Z], \\d, \\w, \\s and ., with ?, *, +, {3} or {3,8}',
    ),
    about: 'A sequence of character classes and counts that the whole answer must match.',
  },
  generate: {
    ...count(8, 1024),
    about: 'The answer may be made up by kseal, with this many characters.',
  },
  alphabet: { ...choice(Object.keys(alphabets)), about: 'The characters to make it up of.' },
  certificate: {
    ...dataKey,
    about: 'The certificate that this private key belongs to. By default tls.crt for tls.key.',
  },
};

/** A combination of the fields of a value that makes no sense. */
interface Conflict {
  readonly field: keyof typeof valueFields;
  readonly problem: string;
  readonly hint: string;
  readonly found: (value: AskedValue) => boolean;
  /** In JSON Schema, if it can express it: the condition for `field`. */
  readonly unless?: JsonSchema;
}

const withFormat = (...allowed: readonly Format[]): Pick<Conflict, 'found' | 'unless'> => ({
  found: ({ format }) => !allowed.includes(format),
  unless: {
    properties: { format: { enum: allowed } },
    ...(allowed.includes('text') ? {} : { required: ['format'] }),
  },
});

const conflicts: readonly Conflict[] = [
  {
    field: 'pattern',
    problem: 'only a text or a URL can have a pattern',
    hint: 'remove the pattern, or write format: text',
    ...withFormat('text', 'url'),
  },
  {
    field: 'generate',
    problem: 'only a text can be made up',
    hint: 'remove generate, or write format: text',
    ...withFormat('text'),
  },
  {
    field: 'certificate',
    problem: 'only a private key has a certificate',
    hint: 'remove it, or write format: pem-private-key',
    ...withFormat('pem-private-key'),
  },
  {
    field: 'alphabet',
    problem: 'needs the length of the value to make up',
    hint: 'add generate: 24',
    found: ({ generate }) => generate === undefined,
    unless: { required: ['generate'] },
  },
  {
    field: 'pattern',
    problem: 'has a range or a count whose ends are swapped',
    hint: 'write the lower end first: [a-z], {3,8}',
    found: ({ pattern = '' }) => parsePattern(pattern) === undefined,
  },
  {
    field: 'pattern',
    problem: 'allows no text of the length that is asked for',
    hint: 'correct the pattern, min or max',
    found: ({ pattern = '', min = 1, max = MAX_VALUE }) => {
      const [least, most] = lengthsOf(parsePattern(pattern) ?? []);
      return least > Math.min(max, MAX_MATCHED) || Math.min(most, MAX_MATCHED) < min;
    },
  },
  {
    field: 'max',
    problem: 'is less than min',
    hint: 'correct one of them',
    found: ({ min = 0, max = MAX_VALUE }) => max < min,
  },
  {
    field: 'generate',
    problem: 'is not between min and max',
    hint: 'correct one of them',
    found: ({ generate = 0, min = 0, max = MAX_VALUE }) => generate < min || generate > max,
  },
  {
    field: 'generate',
    problem: 'makes up values that the pattern does not allow',
    hint: 'correct the pattern, the length or the alphabet',
    found: ({ generate = 0, alphabet = 'letters-digits', pattern }) => {
      const parsed = pattern === undefined ? undefined : parsePattern(pattern);
      if (parsed === undefined) return false;
      const samples = [...alphabets[alphabet]].map((character) => character.repeat(generate));
      return !samples.every((sample) => matchesPattern(parsed, sample));
    },
  },
];

type Table = Readonly<Record<string, Field>>;

function readerOf<T>(
  table: Table,
  refused?: ReadonlyMap<string, string>,
): v.GenericSchema<unknown, T> {
  const entries = Object.entries(table).map(
    ([name, { read, required }]) => [name, required ? read : v.optional(read)] as const,
  );
  return fields(Object.fromEntries(entries), refused) as unknown as v.GenericSchema<unknown, T>;
}

/** The path of an issue, as valibot writes it. */
function at(...keys: readonly (string | number)[]) {
  const item = { type: 'unknown', origin: 'value', input: undefined, value: undefined } as const;
  const [first, ...more] = keys.map((key) => ({ ...item, key }));
  return (first === undefined ? undefined : [first, ...more]) as [v.IssuePathItem];
}

const noValue = words(
  'a request must not contain a value',
  'remove it, and change the value if it was ever committed: kseal fill asks for it',
);

const value = v.pipe(
  readerOf<Omit<AskedValue, 'key' | 'format'> & { readonly format?: Format }>(
    valueFields,
    new Map(['value', 'default'].map((name) => [name, noValue])),
  ),
  v.transform((read) => ({ ...read, format: read.format ?? 'text' })),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const asked: AskedValue = { ...dataset.value, key: '' };
    const conflict = conflicts.find(
      ({ field, found }) => asked[field] !== undefined && found(asked),
    );
    if (conflict === undefined) return;
    const { field, problem, hint } = conflict;
    addIssue({ message: words(problem, hint), path: at(field) });
  }),
);

const headFields: Table = {
  title: { ...line(200), about: 'What the values are for.', required: true },
  from: { ...line(200), about: 'The person or team that asks.' },
  note: { ...line(1000), about: 'A sentence to the person who is asked.' },
};

const version = v.pipe(
  text,
  v.literal('1', ({ received }) => words(`unsupported version ${received}`, `write ${MARKER}: 1`)),
);

const requestSchema = v.pipe(
  fields({
    [MARKER]: version,
    ...Object.fromEntries(
      Object.entries(headFields).map(([name, { read, required }]) => [
        name,
        required ? read : v.optional(read),
      ]),
    ),
    targets: v.pipe(
      listOf(readerOf<Target>(targetFields)),
      v.minLength(1, words('names no file to write', 'add a target')),
      v.maxLength(MAX_TARGETS, words(`has more than ${MAX_TARGETS} targets`, 'split the request')),
    ),
    values: v.pipe(
      mapOf(value, isDataKey, 'data key'),
      v.minSize(1, words('asks for nothing', 'add a value')),
      v.maxSize(MAX_VALUES, words(`asks for more than ${MAX_VALUES} values`, 'split the request')),
    ),
  }),
  v.transform((read) => {
    const { title, from, note, targets, values } = read as unknown as Omit<
      SecretRequest,
      'values'
    > & { readonly values: ReadonlyMap<string, Omit<AskedValue, 'key'>> };
    const asked = [...values].map(([key, rest]) => ({ key, ...rest }));
    return { title, from, note, targets, values: asked } satisfies SecretRequest;
  }),
  v.rawCheck(({ dataset, addIssue }) => {
    if (!dataset.typed) return;
    const { targets, values } = dataset.value;
    // Some file systems take Db.yaml and db.yaml for one file.
    const files = targets.map(({ file }) => file.normalize('NFC').toLowerCase());
    for (const [index, file] of files.entries())
      if (files.indexOf(file) < index)
        addIssue({
          message: words('is the file of another target', 'give each target a file of its own'),
          path: at('targets', index, 'file'),
        });
    for (const { key, certificate } of values)
      if (certificate !== undefined && !isCertificate(values, certificate))
        addIssue({
          message: words('is not a certificate of this request', 'ask for the certificate, too'),
          path: at('values', key, 'certificate'),
        });
  }),
);

function isCertificate(values: readonly AskedValue[], key: string): boolean {
  return values.some((asked) => asked.key === key && asked.format === 'pem-certificate');
}

/** The most characters of a request. A pull request with a larger one must not keep CI busy. */
const MAX_REQUEST = 256 * 1024;

/** Reads a request. Returns it, or its problems by position. Never throws. */
export function readRequest(source: string): {
  readonly request: SecretRequest | undefined;
  readonly problems: readonly (Words & Location)[];
} {
  if (source.length > MAX_REQUEST) {
    const message = `is larger than ${MAX_REQUEST} characters`;
    const problem = { position: { line: 1, column: 1 }, message, hint: 'split the request' };
    return { request: undefined, problems: [problem] };
  }
  const { output, problems } = checkYaml<SecretRequest>(source, () => requestSchema);
  return { request: output, problems };
}

/**
 * Checks a request that is not a file, in which each mapping is a Map and each scalar a string.
 * Returns it, or its problems after the path of their fields.
 */
export function checkRequest(data: ReadonlyMap<string, unknown>): {
  readonly request: SecretRequest | undefined;
  readonly problems: readonly (Words & { readonly path: readonly string[] })[];
} {
  const { success, output, issues } = v.safeParse(
    requestSchema,
    new Map<string, unknown>([[MARKER, '1'], ...data]),
    { abortPipeEarly: true },
  );
  if (success) return { request: output, problems: [] };
  const problems = issues.map(({ message, path = [] }) => ({
    ...parseWords(message),
    path: path.map(({ key }) => String(key)),
  }));
  return { request: undefined, problems };
}

/** Prints a request as YAML that `readRequest` reads. */
export function printRequest({ targets, values, ...head }: SecretRequest): string {
  const asked = values.map(({ key, format, ...rest }) => {
    const { label, help, ...checks } = rest;
    return [
      key,
      defined({ label, help, format: format === 'text' ? undefined : format, ...checks }),
    ];
  });
  return printYaml(
    {
      [MARKER]: 1,
      ...defined(head),
      targets: targets.map(defined),
      values: new Map(asked as [string, object][]),
    },
    'A request for values, without the values. To answer it: kseal fill FILE',
  );
}

/** The members that have a value. */
function defined(object: object): object {
  return Object.fromEntries(Object.entries(object).filter(([, member]) => member !== undefined));
}

function objectSchema(table: Table, more: JsonSchema = {}): JsonSchema {
  const properties = Object.entries(table).map(
    ([name, { json, about }]) => [name, { description: about, ...json }] as const,
  );
  return {
    type: 'object',
    properties: Object.fromEntries(properties),
    required: Object.keys(table).filter((name) => table[name]?.required),
    additionalProperties: false,
    ...more,
  };
}

/** Returns the JSON Schema (draft 7) of a request, for editors. */
export function jsonSchema(): JsonSchema {
  const allOf = conflicts.flatMap(({ field, unless }) =>
    unless === undefined ? [] : [{ anyOf: [{ not: { required: [field] } }, unless] }],
  );
  const head = objectSchema({
    [MARKER]: { about: 'The version.', read: version, json: { const: 1 }, required: true },
    ...headFields,
  });
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Secret request of kseal',
    description: 'Values that somebody else is to provide with kseal fill, and where they go.',
    ...head,
    properties: {
      ...(head.properties as object),
      targets: {
        description: 'The Secrets that every answer is sealed into.',
        type: 'array',
        items: objectSchema(targetFields),
        minItems: 1,
        maxItems: MAX_TARGETS,
      },
      values: {
        description: 'The values to ask for, by data key, in this order.',
        type: 'object',
        propertyNames: { pattern: DATA_KEY, maxLength: 253 },
        additionalProperties: objectSchema(valueFields, { allOf }),
        minProperties: 1,
        maxProperties: MAX_VALUES,
      },
    },
    required: [...(head.required as string[]), 'targets', 'values'],
  };
}
