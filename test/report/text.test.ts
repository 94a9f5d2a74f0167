import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { text } from '../../src/report/text.ts';
import { anyReport, finding, mixed, plain, report, tool } from './sample.ts';

describe('text', () => {
  test('groups findings by file, aligns them, and ends with a summary', () => {
    expect(text(mixed, tool, plain)).toBe(
      [
        'deploy/db.yaml',
        '  9:9    error    plaintext-value  Secret hr/db, data key "user": the value is not sealed',
        '  11:13  error    plaintext-value  Secret hr/db, data key "password": the value is not sealed',
        '         hint: kseal seal -i -f deploy/db.yaml',
        '',
        'deploy/web.yaml',
        '  120:1  warning  string-data      Secret web: stringData is not removed by kubectl apply',
        '',
        'note: no key is known, so unknown-kid was not judged',
        '',
        '2 errors, 1 warning in 2 of 3 files; 3 of 5 values are sealed; 1 finding suppressed',
        '',
      ].join('\n'),
    );
  });

  test('prints each of several different hints', () => {
    const output = text(
      report({ findings: [finding({ hint: 'one' }), finding({ hint: 'two' })] }),
      tool,
      plain,
    );
    expect(output.match(/hint: .*/g)).toEqual(['hint: one', 'hint: two']);
  });

  test('repeats a hint for each file', () => {
    const findings = [finding(), finding({ path: 'deploy/web.yaml' })];
    expect(text(report({ findings }), tool, plain).match(/hint: /g)).toHaveLength(2);
  });

  test('colours severities, hints and the summary', () => {
    const marked = text(mixed, tool, (colour, word) => `<${colour}>${word}</>`);
    expect(marked).toContain('9:9    <red>error  </>  plaintext-value');
    expect(marked).toContain('<yellow>warning</>  string-data');
    expect(marked).toContain('<cyan>hint:</> kseal seal');
    expect(marked).toMatch(/<red>2 errors.*<\/>\n$/);
  });

  test.each([
    [{}, 'green', 'no findings in 2 files; all 3 values are sealed'],
    [{ files: ['a.yaml'], secrets: 0, values: 0 }, 'green', 'no findings in 1 file; no Secrets'],
    [{ secrets: 1, values: 0 }, 'green', 'no findings in 2 files; no values in 1 Secret'],
    [{ values: 1, sealed: 1 }, 'green', 'no findings in 2 files; the only value is sealed'],
    [
      { findings: [finding({ severity: 'warning', hint: undefined })], hidden: [] },
      'yellow',
      '1 warning in 1 of 2 files; all 3 values are sealed',
    ],
    [
      { findings: [finding()], hidden: [finding(), finding({ path: 'deploy/web.yaml' })] },
      'red',
      '3 errors in 2 of 2 files; 2 of these not shown; all 3 values are sealed',
    ],
    [
      { hidden: [finding({ path: 'other.yaml' })], values: 1, sealed: 0 },
      'red',
      '1 error in 1 of 3 files; 1 of these not shown; the only value is not sealed',
    ],
  ] as const)('has a summary for %j', (changes, colour, words) => {
    const output = text(report(changes), tool, (name, word) => `<${name}>${word}`);
    expect(output.split('\n').at(-2)).toBe(`<${colour}>${words}`);
  });

  test('wraps messages under their column on a terminal, but not hints', () => {
    const hint = `kseal seal -i -f ${'deploy/'.repeat(12)}db.yaml`;
    const findings = [
      finding({ hint, message: 'the value is not sealed, and everyone can read it' }),
    ];
    expect(text(report({ findings }), tool, plain, 80).split('\n').slice(0, 5)).toEqual([
      'deploy/db.yaml',
      '  11:13  error  plaintext-value  Secret hr/db, data key "password": the value is',
      '                                 not sealed, and everyone can read it',
      `         hint: ${hint}`,
      '',
    ]);
  });

  test('begins a message on a line of its own on a narrow terminal', () => {
    const output = text(mixed, tool, plain, 40);
    expect(output.split('\n').slice(0, 4)).toEqual([
      'deploy/db.yaml',
      '  9:9    error    plaintext-value',
      '         Secret hr/db, data key "user":',
      '         the value is not sealed',
    ]);
    const tooLong = output.split('\n').filter((line) => line.length > 40);
    expect(tooLong).toEqual(['         hint: kseal seal -i -f deploy/db.yaml']);
  });

  test('is one line without findings', () => {
    expect(text(report(), tool, plain).split('\n')).toHaveLength(2);
  });

  test('changes names that look like workflow commands', () => {
    const findings = [finding({ path: '::error::x', secret: '##[add-mask]y', hint: undefined })];
    const output = text(report({ findings }), tool, plain);
    expect(output).toContain('./::error::x\n');
    expect(output).toContain('Secret #\\u{23}[add-mask]y');
    fc.assert(
      fc.property(anyReport, (any) => {
        expect(text(any, tool, plain)).not.toMatch(/^\s*::|##\[/m);
      }),
    );
  });
});
