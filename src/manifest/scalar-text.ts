// What a plain scalar would be to a YAML 1.1 reader (kubectl: go-yaml 2 in sigs.k8s.io/yaml)
// or to a YAML 1.2 reader, if not a string (yaml.org/type; go-yaml resolve.go; YAML 1.2 §10.3).
const plainNull = /^(?:~|null|Null|NULL)?$/;
const traps: readonly { what: string; pattern: RegExp }[] = [
  { what: 'null', pattern: plainNull },
  { what: 'a boolean', pattern: /^(?:y|n|yes|no|on|off|true|false)$/i },
  { what: 'an integer', pattern: /^(?:[-+]_*)?(?:0b[01_]+|0o[0-7_]+|0x[\da-f_]+|\d[\d_]*)$/i },
  { what: 'a base 60 number', pattern: /^[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.[\d_]*)?$/ },
  {
    what: 'a number',
    pattern: /^(?:[-+]_*)?(?:\d[\d_]*(?:\.[\d_]*)?|\._*\d[\d_.]*)(?:e_*[-+]?[\d_]+)?$/i,
  },
  { what: 'a number', pattern: /^(?:[-+]?\.inf|\.nan)$/i },
  {
    what: 'a timestamp',
    pattern: /^\d{4}-\d\d?-\d\d?(?:(?:t|[ \t]+)[\d:.]+(?:[ \t]*(?:z|[-+][\d:]+))?)?$/i,
  },
  { what: 'a merge key', pattern: /^<<$/ },
  { what: 'a default value', pattern: /^=$/ },
];

/** What some YAML reader takes the plain scalar `text` for; undefined if for a string all do. */
export function plainScalarTrap(text: string): string | undefined {
  return traps.find(({ pattern }) => pattern.test(text))?.what;
}

/** Whether null, to every YAML reader, is what the plain scalar `text` stands for. */
export function isPlainNull(text: string): boolean {
  return plainNull.test(text);
}

/** Whether true, to a YAML reader, is what the plain scalar `text` stands for. */
export function isPlainTrue(text: string): boolean {
  return /^(?:y|yes|on|true)$/i.test(text);
}

export type Quotes = 'plain' | 'single' | 'double';

/**
 * The source of a scalar that every reader, in block and flow context, takes for the string
 * `text`. Where it cannot be plain or in single quotes, it stands in double quotes.
 */
export function scalarSource(text: string, quotes: Quotes): string {
  const isString = plainScalarTrap(text) === undefined && !emptyNumber.test(text);
  if (quotes === 'plain' && safePlain.test(text) && isString) return text;
  if (quotes === 'single' && safeSingle.test(text)) return `'${text.replaceAll("'", "''")}'`;
  return doubleQuoted(text);
}

// Where no digit stands in front, one reader of YAML 1.1 still finds a number (the package yaml:
// NaN). Who wrote it meant a string, as kubectl takes it for; here it costs but two quotes.
const emptyNumber = /^[-+]?(?:\.[\d_]*)?(?:e[-+]?\d+)?$/i;

// Narrower than the YAML grammar, and wide enough for names, base64 and JWEs.
const safePlain = /^(?:[A-Za-z0-9_+/]|\.[A-Za-z0-9_])[-A-Za-z0-9_+/=.@]*$/;
const safeSingle = /^[\x20-\x7E]*$/;

/** A JSON string that is a YAML string too: no raw line breaks of YAML 1.1, nothing unprintable. */
function doubleQuoted(text: string): string {
  return JSON.stringify(text).replace(
    /[\u007F-\u009F\u2028\u2029\uFEFF\uFFFE\uFFFF]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}
