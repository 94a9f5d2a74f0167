import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { IO } from '../../src/cli/io.ts';
import {
  fingerprintLines,
  isColoured,
  paint,
  reportErrors,
  say,
  sayAll,
  takeColour,
  warnAbout,
  warning,
  withLooks,
} from '../../src/cli/print.ts';
import { KsealError } from '../../src/errors.ts';
import { describeKid } from '../../src/jwe/thumbprint.ts';
import { Capture, testIO } from '../helpers/io.ts';

/** An IO whose stderr is a terminal of this width. */
function onTerminal(columns: number, env: Record<string, string> = {}) {
  return {
    ...testIO({ cwd: '/', env }),
    stderr: Object.assign(new Capture(), { isTTY: true, columns }),
  };
}

describe('--color', () => {
  test.each([
    [['verify'], 'auto', ['verify']],
    [['--color', 'verify'], 'always', ['verify']],
    [['--color', 'never', 'verify'], 'never', ['verify']],
    [['verify', 'x', '--color=always'], 'always', ['verify', 'x']],
    [['verify', '--color=auto', 'x'], 'auto', ['verify', 'x']],
    [['--no-color', 'keys'], 'never', ['keys']],
    [['keys', '--color', '--no-color'], 'never', ['keys']],
    [['verify', '--', '--color'], 'auto', ['verify', '--', '--color']],
    [['verify', '--color', '--', 'never'], 'always', ['verify', '--', 'never']],
  ])('%j chooses %s', (argv, colour, words) => {
    expect(takeColour(argv)).toEqual({ colour, words });
  });

  test.each(['--color=', '--color=yes', '--color=\nalways'])('%j is a usage error', (word) => {
    expect(() => takeColour([word])).toThrow('--color must be one of always, never, auto');
  });
});

describe('whether a stream is coloured', () => {
  const terminal = Object.assign(new Capture(), { isTTY: true });
  const pipe = new Capture();

  test.each([
    ['auto', {}, true, false],
    ['auto', { NO_COLOR: '1' }, false, false],
    ['auto', { NO_COLOR: '' }, true, false],
    ['auto', { FORCE_COLOR: '1' }, true, true],
    ['auto', { FORCE_COLOR: 'true' }, true, true],
    ['auto', { FORCE_COLOR: '0' }, false, false],
    ['auto', { FORCE_COLOR: 'false' }, false, false],
    ['auto', { FORCE_COLOR: '' }, true, false],
    ['auto', { NO_COLOR: '1', FORCE_COLOR: '1' }, false, false],
    ['auto', { TERM: 'dumb' }, false, false],
    ['auto', { TERM: 'dumb', FORCE_COLOR: '1' }, true, true],
    ['always', { NO_COLOR: '1', FORCE_COLOR: '0', TERM: 'dumb' }, true, true],
    ['never', { FORCE_COLOR: '1' }, false, false],
  ] as const)('--color=%s with %j', (colour, env, onATerminal, intoAPipe) => {
    const io: IO = { ...testIO({ cwd: '/', env }), colour };
    expect([isColoured(io, terminal), isColoured(io, pipe)]).toEqual([onATerminal, intoAPipe]);
  });

  test('a stream is opened only when it is used', async () => {
    const io = Object.defineProperty({ ...testIO({ cwd: '/' }) }, 'stdin', {
      get: () => {
        throw new Error('opened');
      },
    });
    const shown = await withLooks(io, 'always', false);
    expect(() => shown.stdin).toThrow('opened');
  });

  test('each colour is an escape sequence that ends after the text', async () => {
    const io = await withLooks(testIO({ cwd: '/' }), 'always', false);
    expect(paint(io, io.stdout, 'red', 'error')).toBe('\x1b[31merror\x1b[39m');
    const without = await withLooks(testIO({ cwd: '/' }), 'auto', false);
    expect(paint(without, without.stdout, 'red', 'error')).toBe('error');
  });

  test('the label of a message is coloured, and not its text', async () => {
    const io = await withLooks(testIO({ cwd: '/' }), 'always', false);
    say(io, 'warning', 'a key is weak');
    expect(String(Reflect.get(io.stderr, 'text'))).toBe(
      'kseal: \x1b[33mwarning:\x1b[39m a key is weak\n',
    );
  });
});

describe('messages about many things', () => {
  const warnings = (count: number, hintOf: (index: number) => string | undefined) =>
    Array.from({ length: count }, (_, index) =>
      warning({ message: `w${index}`, hint: hintOf(index) }),
    );
  const linesOf = (messages: ReturnType<typeof warnings>, debug = false) => {
    const io = testIO({ cwd: '/' });
    sayAll({ ...io, debug }, 'warning', messages);
    return io.stderr.text.split('\n').slice(0, -1);
  };

  test('ten are printed in full, each with its hint', () => {
    expect(linesOf(warnings(10, (index) => `h${index}`))).toHaveLength(20);
    expect(linesOf(warnings(10, () => undefined))).toHaveLength(10);
  });

  test('of two thousand, ten lines are printed, and the others are counted', () => {
    const lines = linesOf(warnings(2000, () => undefined));
    expect(lines).toHaveLength(11);
    expect(lines.at(-1)).toBe('kseal: and 1,990 more warnings; --debug prints all');
  });

  test('a hint takes one of the ten lines, and a shared one is printed below the last', () => {
    const own = linesOf(warnings(11, (index) => `h${index}`));
    expect(own.slice(-3)).toEqual([
      'kseal: warning: w4',
      'kseal: hint: h4',
      'kseal: and 6 more warnings; --debug prints all',
    ]);
    const shared = linesOf(warnings(11, () => 'h'));
    expect(shared.slice(-3)).toEqual([
      'kseal: warning: w8',
      'kseal: hint: h',
      'kseal: and 2 more warnings; --debug prints all',
    ]);
    expect(linesOf(warnings(11, (index) => (index < 10 ? undefined : 'h'))).at(-1)).toMatch(
      'and 1 more warning;',
    );
  });

  test('--debug prints all', () => {
    expect(
      linesOf(
        warnings(2000, () => undefined),
        true,
      ),
    ).toHaveLength(2000);
  });

  test('the printed and the counted ones are all, in at most eleven lines', () => {
    fc.assert(
      fc.property(fc.array(fc.option(fc.constantFrom('a', 'b')), { maxLength: 40 }), (hints) => {
        const lines = linesOf(warnings(hints.length, (index) => hints[index] ?? undefined));
        const printed = lines.filter((line) => line.startsWith('kseal: warning: ')).length;
        const [, more = '0'] = /and (\d+) more/.exec(lines.at(-1) ?? '') ?? [];
        expect(printed + Number(more)).toBe(hints.length);
        if (hints.length > 10) expect(lines.length).toBeLessThanOrEqual(11);
      }),
    );
  });

  test('warnings about a manifest name its path and position', () => {
    const io = testIO({ cwd: '/' });
    const diagnostic = { code: 'x', message: 'is odd', position: { line: 2, column: 3 } };
    warnAbout(io, 'db.yaml', [diagnostic]);
    expect(io.stderr.text).toBe('kseal: warning: db.yaml:2:3: is odd\n');
  });
});

describe('reportErrors', () => {
  const errors = (count: number) =>
    Array.from({ length: count }, (_, index) => new KsealError('IO', `e${index}`));

  test('counts errors beyond ten lines, and returns the highest exit code of all', () => {
    const io = testIO({ cwd: '/' });
    const all = [...errors(2000), new KsealError('KEY_NOT_FOUND', 'last')];
    expect(reportErrors(io, new AggregateError(all))).toBe(4);
    expect(io.stderr.text).toMatch(/and 1,991 more errors; --debug prints all\n$/);
    expect(io.stderr.text.split('\n')).toHaveLength(12);
  });

  test('prints an error that several files share once', () => {
    const io = testIO({ cwd: '/' });
    const [error] = errors(1);
    expect(reportErrors(io, new AggregateError([error, error]))).toBe(2);
    expect(io.stderr.text).toBe('kseal: error: e0\n');
  });

  test('prints the cause of an error, and the stack of a bug, only with --debug', () => {
    const thrown = new AggregateError([
      new KsealError('IO', 'is lost', { cause: new Error('EIO') }),
      new TypeError('CANARY-of-a-bug'),
    ]);
    const io = testIO({ cwd: '/' });
    expect(reportErrors(io, thrown)).toBe(70);
    expect(io.stderr.text).not.toMatch(/EIO|CANARY/);
    expect(io.stderr.text).toMatch('run it again with --debug');
    reportErrors({ ...io, debug: true }, thrown);
    expect(io.stderr.text).toMatch('kseal: caused by Error: EIO\n');
    expect(io.stderr.text).toMatch(/ +at /);
  });
});

describe('fingerprints', () => {
  const kid = Buffer.alloc(32, 0xab).toString('base64url');
  const other = Buffer.from([...Buffer.alloc(31, 0xab), 0xac]).toString('base64url');
  const mismatch = new KsealError('KEY_MISMATCH', 'fingerprint mismatch', {
    thing: 'prod.pub',
    hint: 'ask',
    fingerprints: [
      ['pinned', describeKid(kid)],
      ['got', describeKid(other)],
    ],
  });

  test('are one under the other on a terminal, with a sign below each difference', () => {
    const io = onTerminal(80);
    reportErrors(io, mismatch);
    expect(io.stderr.text.split('\n')).toEqual([
      'kseal: error: prod.pub: fingerprint mismatch',
      '  abab abab abab abab abab abab abab abab  pinned',
      '  abab abab abab abab abab abab abab abab  got',
      '  abab abab abab abab abab abab abab abab  pinned',
      '  abab abab abab abab abab abab abab abac  got',
      '                                     ^^^^',
      'kseal: hint: ask',
      '',
    ]);
  });

  test('are four groups a line on a narrow terminal', () => {
    const io = onTerminal(40);
    reportErrors(io, mismatch);
    const lines = io.stderr.text.split('\n').slice(1, -2);
    expect(lines).toHaveLength(9);
    expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(40);
  });

  test('are in the message elsewhere, which is one line', () => {
    const io = testIO({ cwd: '/' });
    reportErrors(io, mismatch);
    expect(io.stderr.text).toBe(
      `kseal: error: prod.pub: fingerprint mismatch: pinned ${describeKid(kid)}, got ${describeKid(other)}\nkseal: hint: ask\n`,
    );
  });

  test('a single one has its kid below it', () => {
    const io = onTerminal(80);
    const lines = fingerprintLines(io, io.stderr, [['', describeKid(kid)]]);
    expect(lines).toEqual([
      '  abab abab abab abab abab abab abab abab',
      '  abab abab abab abab abab abab abab abab',
      `  (${kid})`,
    ]);
  });
});
