import { byPosition, type Location } from '../../diagnostic.ts';
import { lastAtMost, positionsIn } from '../../yaml/node.ts';
import { type JudgedText, type Rule, renderFirst, type Violation } from '../rule.ts';

export const template: Rule = {
  id: 'template',
  severity: 'warning',
  summary: 'a template, or a value that another tool inserts',
  why: 'The result of a Helm template is known only after rendering, so its Secrets cannot be judged, except for plaintext that it contains literally. Render it first, and verify the result: helm template . | kseal verify -. Each document is reported once.',
  wrong:
    'kind: Secret\nmetadata:\n  name: {{ .Release.Name }}-db\nstringData:\n  password: {{ .Values.password }}',
  right: '# in values.yaml, a value sealed with: kseal seal --raw …',
  covers: 'line',
  checkText: (text) => [
    ...text.templates.flatMap(({ position, hidden }) =>
      position === undefined || hidden
        ? []
        : [{ position, message: NOT_RENDERED, hint: renderFirst }],
    ),
    ...firstInEachDocument(text, placeholdersIn(text)).map(
      ({ position, secret, key }): Violation => ({
        position,
        secret,
        key,
        message: REPLACED,
        hint: renderFirst,
      }),
    ),
  ],
};

const NOT_RENDERED = 'a template, which cannot be judged before it is rendered';
const REPLACED = 'another tool inserts a value here, so it cannot be judged';

/** Finds placeholders outside of templates. */
function placeholdersIn({ problems, secrets }: JudgedText): readonly Location[] {
  const found: Location[] = problems.filter(
    ({ holds, inTemplate }) => holds === 'placeholder' && !inTemplate,
  );
  for (const { label: secret, values, inTemplate } of secrets)
    for (const { placeholder, key, position } of values)
      if (placeholder && !inTemplate) found.push({ position, secret, key });
  return found;
}

function firstInEachDocument(
  { roots, source }: JudgedText,
  locations: readonly Location[],
): readonly Location[] {
  if (locations.length < 2) return locations;
  const position = positionsIn(source);
  const starts = roots.map(({ start }) => position(start).line);
  const first = new Map<number, Location>();
  for (const location of [...locations].sort(byPosition)) {
    const document = lastAtMost(starts, location.position.line);
    if (!first.has(document)) first.set(document, location);
  }
  return [...first.values()];
}
