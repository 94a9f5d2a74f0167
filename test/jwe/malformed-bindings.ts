import { boundHeader, type Form, formsOf, KID, type Row } from './malformed.ts';
import { row } from './malformed-headers.ts';

const changed = (from: string, to: string) => {
  if (!boundHeader.includes(from)) throw new Error(`no ${from} in the header`);
  return boundHeader.replace(from, to);
};

const inner = '{"scope":"strict","namespace":"hr","name":"db","key":"password"}';

const notOurText: Row[] = [
  row(
    'kid before kseal',
    `{"alg":"RSA-OAEP-256","enc":"A128CBC-HS256","kid":"${KID}","kseal":${inner}}`,
  ),
  row(
    'enc before alg',
    changed(
      '"alg":"RSA-OAEP-256","enc":"A128CBC-HS256"',
      '"enc":"A128CBC-HS256","alg":"RSA-OAEP-256"',
    ),
  ),
  row(
    'name before namespace',
    changed('"namespace":"hr","name":"db"', '"name":"db","namespace":"hr"'),
  ),
  row(
    'scope last',
    changed(inner, '{"namespace":"hr","name":"db","key":"password","scope":"strict"}'),
  ),
  row('a space after a colon', changed('"scope":', '"scope": ')),
  row('a trailing space', `${boundHeader} `),
  row('a trailing line break', `${boundHeader}\n`),
  row('a space before enc', changed(',"enc"', ', "enc"')),
  row('an extra member', changed(',"kid"', ',"typ":"JWE","kid"')),
  row('an extra member at the end', boundHeader.replace(/\}$/, ',"jku":"https://example.com"}')),
  row('a member __proto__', changed(',"kid"', ',"__proto__":{},"kid"')),
  row('an extra member in kseal', changed('"key":"password"', '"key":"password","uid":"1"')),
  row('__proto__ in kseal', changed('"key":"password"', '"key":"password","__proto__":"x"')),
  row('a duplicate kseal', changed(',"kid"', `,"kseal":${inner},"kid"`)),
  row('an escaped name for kseal', changed('"kseal"', '"ksea\\u006c"')),
  row('an escape in a name', changed('"scope"', '"\\u0073cope"')),
  row('an escape in a value', changed('"password"', '"\\u0070assword"')),
  row('no kid', boundHeader.replace(`,"kid":"${KID}"`, '')),
  row('an escaped name for kid', changed('"kid"', '"\\u006bid"')),
  ...['', 'k'.repeat(42), 'k'.repeat(44), `${'k'.repeat(42)}+`, `${'k'.repeat(42)}\u00e9`].map(
    (kid) => row(`kid ${kid || 'empty'}`, changed(`"${KID}"`, `"${kid}"`)),
  ),
];

const notABinding: Row[] = [
  ...[
    'null',
    'true',
    'false',
    '0',
    '1',
    '""',
    '"strict"',
    '[]',
    '["strict"]',
    '{}',
    `[${inner}]`,
  ].map((value) => row(`kseal: ${value}`, changed(inner, value))),
  ...['"Strict"', '"global"', '""', 'null', '["strict"]', '{"toString":1}', '"constructor"'].map(
    (scope) => row(`scope ${scope}`, changed('"strict"', scope)),
  ),
  row('no scope', changed('"scope":"strict",', '')),
  row('strict without key', changed(',"key":"password"', '')),
  row('strict without name', changed(',"name":"db"', '')),
  row('strict without namespace', changed(',"namespace":"hr"', '')),
  row(
    'namespace-wide with a name',
    changed(inner, '{"scope":"namespace-wide","namespace":"hr","name":"db"}'),
  ),
  row('namespace-wide with strict parts', changed('"strict"', '"namespace-wide"')),
  row('namespace-wide without namespace', changed(inner, '{"scope":"namespace-wide"}')),
  row('cluster-wide with a namespace', changed(inner, '{"scope":"cluster-wide","namespace":"hr"}')),
  ...[
    '""',
    '"Hr"',
    '"a.b"',
    '"-a"',
    '"a-"',
    '"a_b"',
    `"${'a'.repeat(64)}"`,
    '1',
    'null',
    '["hr"]',
    '"h r"',
  ].map((text) => row(`namespace ${text}`, changed('"hr"', text))),
  ...['""', '"Db"', '"a..b"', '".a"', '"a."', '"a/b"', `"${'a'.repeat(254)}"`, '1', 'null'].map(
    (text) => row(`name ${text}`, changed('"db"', text)),
  ),
  ...['""', '"a/b"', '"."', '".."', '"..x"', '"a b"', `"${'a'.repeat(254)}"`, '1', 'null'].map(
    (text) => row(`key ${text}`, changed('"password"', text)),
  ),
];

/** Headers with a member kseal that kseal did not write: malformed, not unbound. */
export const malformedBindings: readonly Form[] = formsOf([...notOurText, ...notABinding]);
