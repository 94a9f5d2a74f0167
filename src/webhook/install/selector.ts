import type { SelectorRequirement } from './options.ts';

/** A label name with an optional DNS subdomain before it, as in `example.org/team`. */
const KEY = '(?:[a-z0-9](?:[-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9](?:[-\\w.]{0,61}[A-Za-z0-9])?';
const LABEL = '(?:[A-Za-z0-9](?:[-\\w.]{0,61}[A-Za-z0-9])?)?';

/** The forms of a requirement, in the syntax of `kubectl -l`. */
const forms: readonly (readonly [RegExp, SelectorRequirement['operator']])[] = [
  [new RegExp(`^(${KEY})\\s*==?\\s*(${LABEL})$`), 'In'],
  [new RegExp(`^(${KEY})\\s*!=\\s*(${LABEL})$`), 'NotIn'],
  [new RegExp(`^(${KEY})\\s+in\\s*\\(([^()]*)\\)$`), 'In'],
  [new RegExp(`^(${KEY})\\s+notin\\s*\\(([^()]*)\\)$`), 'NotIn'],
  [new RegExp(`^(${KEY})$`), 'Exists'],
  [new RegExp(`^!\\s*(${KEY})$`), 'DoesNotExist'],
];

/** Parses a label selector such as `kseal=on,team in (a, b),!legacy`; undefined if it is invalid. */
export function parseSelector(text: string): readonly SelectorRequirement[] | undefined {
  const requirements = text.split(/,(?![^(]*\))/).map((part) => requirementIn(part.trim()));
  return requirements.every((one) => one !== undefined) ? requirements : undefined;
}

const isLabel = (text: string) => new RegExp(`^${LABEL}$`).test(text);

function requirementIn(text: string): SelectorRequirement | undefined {
  for (const [form, operator] of forms) {
    const [, key, list] = form.exec(text) ?? [];
    if (key === undefined) continue;
    if (list === undefined) return { key, operator };
    const values = list.split(',').map((value) => value.trim());
    return values.every(isLabel) ? { key, operator, values } : undefined;
  }
  return undefined;
}
