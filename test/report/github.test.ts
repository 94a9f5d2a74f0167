import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { github } from '../../src/report/github.ts';
import { pointOf, printable, sentenceOf } from '../../src/report/report.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

interface Command {
  readonly name: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly message: string;
}

/** Parses a line as the runner does: up to the next `::`, split at commas, unescaped. */
function parse(line: string): Command {
  const [, name = '', list = '', message = ''] = /^::(\w+) (.*?)::(.*)$/.exec(line) ?? [];
  const properties = list.split(',').map((pair) => {
    const at = pair.indexOf('=');
    return [pair.slice(0, at), unescaped(pair.slice(at + 1))];
  });
  return { name, properties: Object.fromEntries(properties), message: unescaped(message) };
}

function unescaped(text: string): string {
  const escapes: Record<string, string> = { '%0D': '\r', '%0A': '\n', '%3A': ':', '%2C': ',' };
  return text
    .replace(/%0D|%0A|%3A|%2C/g, (found) => escapes[found] ?? found)
    .replaceAll('%25', '%');
}

describe('github', () => {
  test('prints a command for each finding and note, and a summary', () => {
    expect(github(mixed, tool, plain).split('\n')).toEqual([
      '::error file=deploy/db.yaml,line=9,col=9,title=kseal plaintext-value::deploy/db.yaml:9:9: Secret hr/db, data key "user": the value is not sealed%0Ahint: kseal seal -i -f deploy/db.yaml',
      '::error file=deploy/db.yaml,line=11,col=13,title=kseal plaintext-value::deploy/db.yaml:11:13: Secret hr/db, data key "password": the value is not sealed%0Ahint: kseal seal -i -f deploy/db.yaml',
      '::warning file=deploy/web.yaml,line=120,col=1,title=kseal string-data::deploy/web.yaml:120:1: Secret web: stringData is not removed by kubectl apply',
      '::notice title=kseal::no key is known, so unknown-kid was not judged',
      '2 errors, 1 warning in 2 of 3 files; 3 of 5 values are sealed; 1 finding suppressed',
      '',
    ]);
  });

  test('escapes the characters that end a property or a command', () => {
    const given = finding({ path: 'a,b:c%2C::d\n.yaml', secret: undefined, key: undefined });
    const [line = ''] = github(
      report({ findings: [{ ...given, message: '100 % \r\n', hint: undefined }] }),
      tool,
      plain,
    ).split('\n');
    expect(line).toBe(
      '::error file=a%2Cb%3Ac%252C%3A%3Ad\\u{a}.yaml,line=11,col=13,title=kseal plaintext-value' +
        '::a,b:c%252C::d\\u{a}.yaml:11:13: 100 %25 \\u{d}\\u{a}',
    );
  });

  test('can be parsed by the runner, whatever the names are', () => {
    fc.assert(
      fc.property(anyReport, (any) => {
        const lines = github(any, tool, plain).split('\n');
        expect(lines).toHaveLength(any.findings.length + any.notes.length + 2);
        for (const [index, given] of any.findings.entries()) {
          const { name, properties, message } = parse(lines[index] ?? '');
          expect(name).toBe(given.severity);
          expect(Object.keys(properties)).toEqual(['file', 'line', 'col', 'title']);
          expect(properties.file).toBe(printable(given.path));
          expect(message.split('\n')[0]).toBe(printable(`${pointOf(given)}: ${sentenceOf(given)}`));
        }
        expect(lines.at(-2)).toMatch(/^(no findings|\d+ (error|warning))/);
      }),
    );
  });
});
