import { KsealError } from '../errors.ts';
import { isDataKey } from '../kubernetes/secret.ts';
import { suggest } from '../text.ts';
import { type Format, formats } from './request.ts';

// Values and targets as the options of a command line write them, with colons between the parts.
// The fields stay text, and are checked with the rest of the request.

/** The fields of a value or a target, by name. */
export type FieldTexts = ReadonlyMap<string, string>;

/** The length of a value that may be made up, unless a request names one. */
const MADE_UP = '24';

const valueOptions = ['help', 'min', 'max', 'pattern', 'generate', 'alphabet', 'certificate'];
const targetOptions = ['key', 'namespace', 'name', 'type', 'scope', 'field'];

/** Splits at colons, except after a backslash. */
function partsOf(text: string): readonly string[] {
  return text.split(/(?<!\\):/).map((part) => part.replaceAll('\\:', ':'));
}

/**
 * Parses `KEY:LABEL[:FORMAT][:OPTION=ARGUMENT…]`, such as `password:Password of the database:min=12`.
 * Throws USAGE, and quotes nothing but the data key, because somebody may have put a value there.
 */
export function parseAsk(text: string): { readonly key: string; readonly fields: FieldTexts } {
  const [key = '', label = '', ...options] = partsOf(text);
  const example = "--ask 'password:Password of the database:min=12'";
  if (!isDataKey(key))
    throw new KsealError('USAGE', '--ask must be KEY:LABEL, with a valid data key', {
      hint: example,
    });
  const thing = `--ask ${key}`;
  if (label.trim() === '') throw new KsealError('USAGE', 'has no label', { thing, hint: example });
  const fields = new Map([['label', label.trim()]]);
  for (const option of options) {
    const [name, argument] = valueOption(option);
    if (name === undefined) throw unknownOption(thing, option, [...formats, ...valueOptions]);
    if (fields.has(name)) throw twice(thing, name);
    fields.set(name, argument);
  }
  return { key, fields };
}

function valueOption(option: string): readonly [name: string | undefined, argument: string] {
  if (formats.includes(option as Format)) return ['format', option];
  if (option === 'generate') return ['generate', MADE_UP];
  const [name, argument] = nameAndArgument(option);
  return [valueOptions.includes(name) ? name : undefined, argument];
}

/** Parses `FILE[:OPTION=ARGUMENT…]`, such as `clusters/prod/db.yaml:key=prod`. Throws USAGE. */
export function parseTarget(text: string): FieldTexts {
  const [file = '', ...options] = partsOf(text);
  const thing = `--target ${file}`;
  const fields = new Map([['file', file]]);
  for (const option of options) {
    const [name, argument] = nameAndArgument(option);
    if (!targetOptions.includes(name)) throw unknownOption(thing, option, targetOptions);
    if (fields.has(name)) throw twice(thing, name);
    fields.set(name, argument);
  }
  return fields;
}

function nameAndArgument(option: string): readonly [name: string, argument: string] {
  const at = option.indexOf('=');
  return at < 0 ? [option, ''] : [option.slice(0, at), option.slice(at + 1)];
}

function unknownOption(thing: string, option: string, known: readonly string[]): KsealError {
  const [name] = nameAndArgument(option);
  const meant = suggest(name, known);
  return new KsealError('USAGE', 'has an unknown option after a colon', {
    thing,
    hint:
      meant === undefined
        ? `use ${known.join(', ')}; write \\: for a colon in a text`
        : `did you mean ${meant}?`,
  });
}

function twice(thing: string, name: string): KsealError {
  return new KsealError('USAGE', `${name} is given twice`, { thing, hint: 'omit one of them' });
}
