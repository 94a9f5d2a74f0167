import { inOrder } from '../diagnostic.ts';
import type { KsealError } from '../errors.ts';
import { type ForeignDocument, judgeText, type ReadText, readKeyFile } from './document.ts';
import type {
  Finding,
  JudgedRequest,
  JudgedSecret,
  Policy,
  Rule,
  Severity,
  SuppressedFinding,
  Violation,
} from './rule.ts';
import { rules } from './rules/index.ts';
import { coversIn } from './suppressions.ts';

/** A text to verify, or the error of reading it. */
export interface Text {
  /** As the user typed it, with `/`. */
  readonly path: string;
  /** The path for a command line, if that is different. */
  readonly typed?: string;
  /** Whether it is a key file and not a manifest. */
  readonly isKeyFile?: boolean;
  readonly content: Uint8Array | KsealError;
  /** Set if it is a secret request. */
  readonly request?: JudgedRequest | undefined;
}

export interface VerifySettings {
  /** The severities of `verify.rules`, by rule id. */
  readonly severities: ReadonlyMap<string, Severity | 'off'>;
  /**
   * The hashes of the findings that may be suppressed: the `covered` of the same path on a
   * protected branch; undefined: any.
   */
  readonly suppressible?: ReadonlySet<string> | undefined;
}

export interface Verification {
  /** By position, then by rule. */
  readonly findings: readonly Finding[];
  readonly suppressed: readonly SuppressedFinding[];
  /** The hashes of the suppressed findings (`coversIn`). */
  readonly covered: ReadonlySet<string>;
  readonly foreign: readonly ForeignDocument[];
  readonly secrets: number;
  readonly values: number;
  /** The number of well-formed sealed values, whether or not they open here. */
  readonly sealed: number;
  /** The number of these that were not checked against a key, because no key is known. */
  readonly unjudgedKids: number;
}

/** Judges one text. Never throws for its content, and the result never quotes a value. */
export function verifyText(
  { path, typed = path, isKeyFile = false, content, request }: Text,
  policy: Policy,
  { severities, suppressible }: VerifySettings,
): Verification {
  const text = isKeyFile
    ? readKeyFile(content, typed, suppressibleRules)
    : judgeText(content, typed, policy.namespace, suppressibleRules, request);
  const found: Finding[] = [];
  const add: Add = (rule, violation, secret = violation.secret) => {
    const chosen = rule.always ? undefined : severities.get(rule.id);
    if (chosen === 'off') return;
    const { position, key, message, hint } = violation;
    const severity = chosen ?? violation.severity ?? rule.severity;
    found.push({ code: rule.id, severity, path, position, secret, key, message, hint });
  };
  checkText(text, policy, add);
  for (const secret of text.secrets) checkSecret(secret, policy, add);
  found.sort(inOrder);
  const { findings, suppressed, covered } = split(found, text, suppressible);
  const { secrets, values, sealed, unjudgedKids } = countsOf(text.secrets, policy);
  // Lists the members, because object spread is many times slower.
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

type Add = (rule: Rule, violation: Violation, secret?: string) => void;

/** The rules with one kind of check. Selected once, because there are many values. */
const rulesWith = <C extends keyof Rule>(check: C, among = rules) =>
  among.filter((rule): rule is Rule & Required<Pick<Rule, C>> => rule[check] !== undefined);

const textRules = rulesWith('checkText');
const requestRules = rulesWith('checkRequest');
const problemRules = rulesWith('checkProblem');
const inTemplates = rules.filter((rule) => rule.inTemplates);
const secretRules = { all: rulesWith('checkSecret'), some: rulesWith('checkSecret', inTemplates) };
const valueRules = { all: rulesWith('checkValue'), some: rulesWith('checkValue', inTemplates) };

function checkText(text: ReadText, policy: Policy, add: Add): void {
  for (const rule of textRules)
    for (const violation of rule.checkText(text, policy)) add(rule, violation);
  if (text.request !== undefined)
    for (const rule of requestRules)
      for (const violation of rule.checkRequest(text.request)) add(rule, violation);
  for (const problem of text.problems) {
    if (problem.holds === 'placeholder') continue; // The rule template reports it.
    for (const rule of problemRules) {
      if (problem.inTemplate && !rule.inTemplates) continue;
      const violation = rule.checkProblem(problem, text, policy);
      if (violation !== undefined) add(rule, violation, problem.secret);
    }
  }
}

/**
 * Checks a Secret. For a template or a SOPS file, only some rules apply. A Secret inside another
 * object has sound values, but need not be complete.
 */
function checkSecret(secret: JudgedSecret, policy: Policy, add: Add): void {
  const set = secret.inTemplate || secret.sops ? 'some' : 'all';
  for (const rule of secretRules[secret.nested === undefined ? set : 'some'])
    for (const violation of rule.checkSecret(secret, policy)) add(rule, violation, secret.label);
  for (const value of secret.values)
    for (const rule of valueRules[set])
      for (const violation of rule.checkValue(value, secret, policy))
        add(rule, violation, secret.label);
}

function split(
  all: readonly Finding[],
  text: ReadText,
  suppressible: VerifySettings['suppressible'],
): Pick<Verification, 'findings' | 'suppressed' | 'covered'> {
  const { suppressions } = text;
  const covered = new Set<string>();
  if (suppressions.length === 0) return { findings: all, suppressed: [], covered };
  const findings: Finding[] = [];
  const suppressed: SuppressedFinding[] = [];
  const reasons = new Map(suppressions.map((its) => [`${its.line} ${its.rule}`, its.reason]));
  const coverOf = coversIn(text);
  for (const finding of all) {
    const reason = reasons.get(`${finding.position.line} ${finding.code}`);
    const cover = reason === undefined ? '' : coverOf(finding, ruleOf.get(finding.code)?.covers);
    if (reason === undefined) findings.push(finding);
    else if (suppressible?.has(cover) ?? true) {
      suppressed.push({ ...finding, reason });
      covered.add(cover);
    } else findings.push({ ...finding, hint: notCovered });
  }
  return { findings, suppressed, covered };
}

const notCovered =
  'merge this kseal-ignore comment, and the text it covers, into the protected branch first';

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
