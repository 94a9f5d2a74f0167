import { isLabelKey, isLabelValue } from '../../kubernetes/secret.ts';
import type { SelectorRequirement } from './options.ts';

const KEY = '([-\\w./]+)';

/** The forms of a requirement, in the syntax of `kubectl -l`. */
const forms: readonly (readonly [RegExp, SelectorRequirement['operator']])[] = [
  [new RegExp(`^${KEY}\\s*==?([^=]*)$`), 'In'],
  [new RegExp(`^${KEY}\\s*!=([^=]*)$`), 'NotIn'],
  [new RegExp(`^${KEY}\\s+in\\s*\\(([^()]*)\\)$`), 'In'],
  [new RegExp(`^${KEY}\\s+notin\\s*\\(([^()]*)\\)$`), 'NotIn'],
  [new RegExp(`^${KEY}$`), 'Exists'],
  [new RegExp(`^!\\s*${KEY}$`), 'DoesNotExist'],
];

/** Parses a label selector such as `kseal=on,team in (a, b),!legacy`; undefined if it is invalid. */
export function parseSelector(text: string): readonly SelectorRequirement[] | undefined {
  const requirements = text.split(/,(?![^(]*\))/).map((part) => requirementIn(part.trim()));
  return requirements.every((one) => one !== undefined) ? requirements : undefined;
}

function requirementIn(text: string): SelectorRequirement | undefined {
  for (const [form, operator] of forms) {
    const [, key, list] = form.exec(text) ?? [];
    if (key === undefined) continue;
    if (!isLabelKey(key)) return undefined;
    if (list === undefined) return { key, operator };
    const values = list.split(',').map((value) => value.trim());
    return values.every(isLabelValue) ? { key, operator, values } : undefined;
  }
  return undefined;
}
