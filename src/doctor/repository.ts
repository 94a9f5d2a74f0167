import { dirname, resolve } from 'node:path';
import {
  CONFIG_NAME,
  type Config,
  isIgnored,
  type PathRule,
  ruleFor,
  rulesMatching,
} from '../config/config.ts';
import { expected, expectedErrors, KsealError } from '../errors.ts';
import { folderWith, MAX_MANIFEST, readRegularFile } from '../fs/read.ts';
import { type KeyUsage, keyUsage, rekeyArguments } from '../inspect/usage.ts';
import type { NamedText } from '../sources/texts.ts';
import { counted, shellWord } from '../text.ts';
import type { Finding as RuleFinding } from '../verify/rule.ts';
import { type Verification, verifyText } from '../verify/verify.ts';
import { type Finding, failed, failure, ok, skipped, warning } from './check.ts';
import type { CheckedKey } from './keys.ts';

/** Reads the configuration with `load`, and reports each error in it. */
export function readConfiguration(load: () => Config | undefined): {
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
} {
  try {
    const config = load();
    return { config, findings: [configFinding(config)] };
  } catch (thrown) {
    const findings = expectedErrors(thrown).map((error) => failure('configuration', error));
    return { config: undefined, findings };
  }
}

function configFinding(config: Config | undefined): Finding {
  const hint = 'kseal init';
  if (config === undefined)
    return warning('configuration', `no ${CONFIG_NAME} here or above`, hint);
  const { path, keys, rules } = config;
  if (keys.size === 0) return warning('configuration', `${path}: no keys are configured`, hint);
  const contents = `${counted(keys.size, 'key')}, ${counted(rules.length, 'rule')}`;
  return ok('configuration', `${path}: ${contents}`);
}

/** A private key in a file with the name of a key file. */
export interface PrivateKeyFile {
  /** The path in messages, and the absolute one. */
  readonly path: string;
  readonly file: string;
  /** Whether git tracks the file or would add it. */
  readonly mayBeCommitted: boolean;
  readonly finding: RuleFinding;
}

/** The result of one walk through the texts of a repository. */
export interface Survey {
  /** The values that are sealed to each kid, in the texts that the configuration is for. */
  readonly usage: ReadonlyMap<string, KeyUsage>;
  /** The rules that match a file, and those that apply to one, because no earlier rule does. */
  readonly matched: ReadonlySet<PathRule>;
  readonly applied: ReadonlySet<PathRule>;
  readonly privateKeys: readonly PrivateKeyFile[];
  /** The findings of `kseal verify` in so many files, or the errors that keep it from judging. */
  readonly judged: Tally | readonly KsealError[];
}

interface Tally {
  readonly files: number;
  readonly errors: number;
  readonly warnings: number;
}

interface SurveyOptions {
  readonly config: Config | undefined;
  /** Whether the configuration was named, so that it is for all texts. */
  readonly isNamed: boolean;
  readonly judge: (text: NamedText) => Promise<Verification | undefined>;
}

/** Reads each text once, for all checks. Throws IO for a folder that cannot be read. */
export async function surveyTexts(
  texts: AsyncIterable<NamedText>,
  { config, isNamed, judge }: SurveyOptions,
): Promise<Survey> {
  const [matched, applied] = [new Set<PathRule>(), new Set<PathRule>()];
  const privateKeys: PrivateKeyFile[] = [];
  const verified = tallyWith(judge);
  const own = async function* (): AsyncGenerator<NamedText> {
    for await (const text of texts) {
      if (text.isKeyFile) {
        privateKeys.push(...privateKeysIn(text, config));
        continue;
      }
      await verified.add(text);
      if (config !== undefined && !isNamed && !isFor(config, text)) continue;
      const [first, ...others] = config === undefined ? [] : rulesMatching(config, text.file);
      for (const rule of [first ?? [], others].flat()) matched.add(rule);
      if (first !== undefined) applied.add(first);
      yield text;
    }
  };
  const usage = await keyUsage(own());
  return { usage, matched, applied, privateKeys, judged: verified.result() };
}

/** Counts the findings of `judge`, up to an error, which is the same for most texts. */
function tallyWith(judge: SurveyOptions['judge']) {
  const tally = { files: 0, errors: 0, warnings: 0 };
  let errors: readonly KsealError[] = [];
  const add = async (text: NamedText) => {
    if (errors.length > 0) return;
    try {
      const result = await judge(text);
      if (result !== undefined) tally.files++;
      for (const { severity } of result?.findings ?? [])
        tally[severity === 'error' ? 'errors' : 'warnings']++;
    } catch (thrown) {
      errors = expectedErrors(thrown);
    }
  };
  return { add, result: () => (errors.length > 0 ? errors : tally) };
}

/** Reports that the texts cannot be read, which keeps several checks from being made. */
export function unreadable(error: KsealError): readonly Finding[] {
  const why = 'the files cannot be read';
  return [skipped('rules', why), skipped('values', why), failure('verify', error)];
}

/** Whether the configuration is the nearest one above a text. */
function isFor({ folder }: Config, { file }: NamedText): boolean {
  return folderWith(CONFIG_NAME, dirname(file)) === folder;
}

/** Judges a key file as `kseal verify` does, which must not depend on a valid configuration. */
function privateKeysIn(text: NamedText, config: Config | undefined): readonly PrivateKeyFile[] {
  const { path, typed, file, content } = text;
  if (content instanceof KsealError || (config !== undefined && isIgnored(config, file))) return [];
  const finding = privateKeyIn({ path, typed, content }, config?.verify.rules);
  if (finding === undefined) return [];
  return [{ path, file, mayBeCommitted: text.mayBeCommitted(), finding }];
}

function privateKeyIn(
  text: Pick<NamedText, 'path' | 'typed' | 'content'>,
  severities: Config['verify']['rules'] = new Map(),
): RuleFinding | undefined {
  const { findings } = verifyText({ ...text, isKeyFile: true }, noPolicy, { severities });
  return findings.find(({ code }) => code === 'private-key');
}

/** Whether a file that a configuration names has a private key; false if it cannot be read. */
export function isPrivateKeyFile(file: string): boolean {
  try {
    const content = readRegularFile(file, file, MAX_MANIFEST);
    return privateKeyIn({ path: file, typed: file, content }) !== undefined;
  } catch (thrown) {
    expected(thrown);
    return false;
  }
}

const noPolicy = {
  ...{ keys: undefined, wantedKid: undefined, namespace: undefined, field: undefined },
  ...{ maxScope: 'strict' as const, refusedKids: new Set<string>() },
};

/** Checks the rules of the configuration. */
export function* ruleFindings(
  { rules, path }: Config,
  keys: readonly CheckedKey[],
  { matched, applied }: Survey,
): Generator<Finding> {
  let sound = 0;
  for (const rule of rules) {
    const thing = `rule for ${rule.path}`;
    const key = keys.find(({ name }) => name === rule.key);
    if (key !== undefined && key.state !== 'active') {
      const message = `${thing}: key ${key.name} is ${key.state}, so nothing can be sealed to it`;
      yield failed('rules', message, `write key: ${activeName(keys)} to this rule in ${path}`);
    } else if (!matched.has(rule)) {
      const hint = `correct its path in ${path}, or seal a first value: kseal seal`;
      yield warning('rules', `${thing}: matches no file`, hint);
    } else if (!applied.has(rule)) {
      const hint = `in ${path}, put it before the rules with a wider path`;
      yield warning('rules', `${thing}: an earlier rule applies to each of its files`, hint);
    } else sound++;
  }
  if (sound > 0) yield ok('rules', `${counted(sound, 'rule')} with an active key and files`);
}

/** The name of the key to seal to, for a hint; several keys may be those of different clusters. */
function activeName(keys: readonly CheckedKey[]): string {
  const active = keys.filter(canSeal);
  return (new Set(active.map(({ kid }) => kid)).size === 1 && active[0]?.name) || 'NAME';
}

function canSeal({ state, file }: CheckedKey): boolean {
  return state === 'active' && file !== undefined;
}

/** The place of all texts. */
interface TextPlace {
  readonly cwd: string;
  /** As on a command line. */
  readonly folder: string;
}

/** Checks the keys of the sealed values. */
export function* valueFindings(
  keys: readonly CheckedKey[],
  { usage }: Survey,
  config: Config,
  { cwd, folder }: TextPlace,
): Generator<Finding> {
  const ruled = (path: string) => ruleFor(config, resolve(cwd, path))?.key;
  for (const key of keys) {
    const { name, names, kid, state } = key;
    const used = kid === undefined ? undefined : usage.get(kid);
    if (kid === undefined || name !== names[0]) continue;
    if (used === undefined) yield ok('values', `key ${names.join(', ')}: no values`);
    else {
      const message = `key ${names.join(', ')}: ${countOf(used)}`;
      const { paths, from, to } = rekeyArguments(usage, [key], keys.filter(canSeal), ruled);
      const options = [...from.map((one) => `--from ${one}`), `--to ${to}`].join(' ');
      const hint = `kseal rekey ${paths.map(shellWord).join(' ')} ${options}`;
      if (state === 'active') yield ok('values', message);
      else if (state === 'deprecated')
        yield warning('values', `${message} on a deprecated key`, hint);
      else yield failed('values', `${message} on a revoked key`, `${hint} --allow-revoked`);
    }
  }
  const known = new Set(keys.map(({ kid }) => kid));
  const others = [...usage].filter(([kid]) => !known.has(kid)).map(([, used]) => used);
  if (others.length === 0 || keys.length === 0) return;
  const all = {
    values: others.reduce((sum, { values }) => sum + values, 0),
    files: [...new Set(others.flatMap(({ files }) => files))],
  };
  const hint = `kseal inspect --by-key ${shellWord(folder)}`;
  yield failed('values', `${countOf(all)} on keys that are not configured`, hint);
}

function countOf({ values, files }: KeyUsage): string {
  return `${counted(values, 'sealed value')} in ${counted(files.length, 'file')}`;
}

/** The checks whose failures keep `kseal verify` from judging. */
const obstacles: readonly string[] = ['configuration', 'key-file', 'key-pin'];

/** Reports whether `kseal verify` has findings; `earlier` are the findings about the keys. */
export function verifyFindings(
  { judged }: Survey,
  folder: string,
  earlier: readonly Finding[],
): readonly Finding[] {
  const command = `kseal verify ${shellWord(folder)}`;
  if (!('files' in judged)) {
    const isReported = earlier.some(
      ({ check, outcome }) => outcome === 'failed' && obstacles.includes(check),
    );
    if (isReported)
      return [skipped('verify', `${command}: fails until the errors above are fixed`)];
    return judged.map((error) => failure('verify', error));
  }
  const { errors, warnings } = judged;
  if (judged.files === 0) return [skipped('verify', 'no manifests')];
  const counts = [
    ...(errors > 0 ? [counted(errors, 'error')] : []),
    ...(warnings > 0 ? [counted(warnings, 'warning')] : []),
  ].join(', ');
  const files = counted(judged.files, 'file');
  if (errors > 0) return [failed('verify', `${counts} in ${files}`, command)];
  if (warnings > 0) return [warning('verify', `${counts} in ${files}`, command)];
  return [ok('verify', `no findings in ${files}`)];
}
