import type { KsealError } from '../errors.ts';
import { checkSecret } from './check.ts';
import { type ForeignDocument, type JudgedText, judgeText } from './document.ts';
import type { Fault, Finding, JudgedSecret, Policy, Severity, SuppressedFinding } from './rule.ts';
import { rules } from './rules/index.ts';
import { strayFaults } from './stray.ts';
import { coversIn, type Suppression, suppressionsIn } from './suppressions.ts';

/** A text to verify, or why it could not be read. */
interface Text {
  /** As the user named it, with `/`. */
  readonly path: string;
  /** How a command line calls it, where that is not the same. */
  readonly typed?: string;
  readonly content: Uint8Array | KsealError;
}

export interface VerifySettings {
  /** From rule id to what `verify.rules` makes of it. */
  readonly severities: ReadonlyMap<string, Severity | 'off'>;
  /**
   * What may be suppressed: what `verifyText` returned as `covered` for the same path on a
   * protected branch. Undefined: every suppression counts.
   */
  readonly suppressible?: ReadonlySet<string> | undefined;
}

export interface Verification {
  /** By position, then by rule. */
  readonly findings: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
  /** What its suppressions cover (`coversIn`). */
  readonly covered: ReadonlySet<string>;
  readonly foreign: readonly ForeignDocument[];
  readonly secrets: number;
  readonly values: number;
  /** Values that are sound sealed values, wherever they may be opened. */
  readonly sealed: number;
  /** Of these, those whose key could not be judged, for no key is known. */
  readonly unjudgedKids: number;
}

/** Judges one text. Never throws for what it holds; what it returns never quotes a value. */
export function verifyText(
  { path, typed = path, content }: Text,
  allowed: Policy,
  settings: VerifySettings,
): Verification {
  const text = judgeText(content, path, typed, allowed.namespace);
  const { sound, faults } = suppressionsIn(text.source, text.roots, suppressibleRules);
  const strays = strayFaults(text.source, text.secrets, allowed.refusedKids);
  const found: Finding[] = [];
  const add = (fault: Fault) => {
    const finding = findingOf(fault, path, settings.severities);
    if (finding !== undefined) found.push(finding);
  };
  faults.forEach(add);
  text.faults.forEach(add);
  strays.forEach(add);
  for (const secret of text.secrets) checkSecret(secret, allowed).forEach(add);
  found.sort(inOrder);
  const { findings, suppressed, covered } = split(found, sound, text, settings.suppressible);
  const { secrets, values, sealed, unjudgedKids } = countsOf(text.secrets, allowed);
  // Member by member: spreading objects takes many times as long.
  return {
    findings,
    suppressed,
    covered,
    foreign: text.foreign,
    secrets,
    values,
    sealed,
    unjudgedKids,
  };
}

const suppressibleRules = rules.filter(({ always }) => !always).map(({ id }) => id);
const ruleOf = new Map(rules.map((rule) => [rule.id, rule]));

function findingOf(
  { rule, severity, position, secret, key, message, hint }: Fault,
  path: string,
  severities: VerifySettings['severities'],
): Finding | undefined {
  const known = ruleOf.get(rule);
  if (known === undefined) throw new Error(`no rule ${rule}`);
  const chosen = known.always ? undefined : severities.get(rule);
  if (chosen === 'off') return undefined;
  const judged = chosen ?? severity ?? known.severity;
  return { rule, severity: judged, path, position, secret, key, message, hint };
}

function inOrder(a: Finding, b: Finding): number {
  return (
    a.position.line - b.position.line ||
    a.position.column - b.position.column ||
    compare(a.rule, b.rule)
  );
}

function compare(a: string, b: string): number {
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function split(
  all: readonly Finding[],
  suppressions: readonly Suppression[],
  { source, roots }: Pick<JudgedText, 'source' | 'roots'>,
  suppressible: VerifySettings['suppressible'],
): Pick<Verification, 'findings' | 'suppressed' | 'covered'> {
  const covered = new Set<string>();
  if (suppressions.length === 0) return { findings: all, suppressed: [], covered };
  const findings: Finding[] = [];
  const suppressed: SuppressedFinding[] = [];
  const reasons = new Map(suppressions.map((its) => [`${its.line} ${its.rule}`, its.reason]));
  const coverOf = coversIn(source, roots);
  for (const finding of all) {
    const { rule, position } = finding;
    const reason = reasons.get(`${position.line} ${rule}`);
    if (reason === undefined) {
      findings.push(finding);
      continue;
    }
    const cover = coverOf(finding, ruleOf.get(rule)?.covers);
    if (suppressible?.has(cover) ?? true) {
      suppressed.push({ ...finding, reason });
      covered.add(cover);
    } else findings.push({ ...finding, hint: notCovered });
  }
  return { findings, suppressed, covered };
}

const notCovered =
  'its kseal-ignore counts once the branch that the rules come from has it, for this very text';

function countsOf(secrets: readonly JudgedSecret[], { keys }: Policy) {
  let [values, sealed] = [0, 0];
  for (const secret of secrets) {
    values += secret.sops
      ? secret.values.length
      : Math.max(secret.values.length, secret.dataKeys.size);
    for (const { jwe } of secret.values) if (jwe !== undefined) sealed++;
  }
  const own = secrets.filter(({ sops }) => !sops).length;
  return { secrets: own, values, sealed, unjudgedKids: keys === undefined ? sealed : 0 };
}
