import { byPosition, type Location } from '../../diagnostic.ts';
import { rawCommands } from '../../manifest/nested.ts';
import { templateEngine } from '../../manifest/other-tools.ts';
import { shellWord } from '../../text.ts';
import { lastAtMost, positionsIn } from '../../yaml/node.ts';
import { type JudgedText, type Rule, renderFirst, type Violation } from '../rule.ts';

export const template: Rule = {
  id: 'template',
  severity: 'warning',
  summary: 'a template, or a value that another tool inserts',
  why: 'The result of a Helm template is known only after rendering, so its Secrets cannot be judged, except for plaintext that it contains literally. Render it first, and verify the result: helm template . | kseal verify -. A placeholder of another tool, such as argocd-vault-plugin, vals or envsubst, is not plaintext if the value contains nothing else. Each document is reported once.',
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
      ({ position, secret, key, tool, seal }): Violation => ({
        position,
        secret,
        key,
        message: `${tool} inserts a value here, so it cannot be judged`,
        hint: hintFor(tool, text.path, seal),
      }),
    ),
  ],
};

const NOT_RENDERED = 'a template, which cannot be judged before it is rendered';

/** The result of some tools can be verified before it reaches the cluster, without a secret store. */
function hintFor(tool: string, path: string, seal: string): string {
  if (tool === templateEngine) return renderFirst;
  if (tool !== 'envsubst') return leaveToTool(tool, seal);
  const input = path === '-' ? '' : ` < ${shellWord(path)}`;
  return `render it first, and verify the result: envsubst${input} | kseal verify -`;
}

const leaveToTool = (tool: string, seal: string) =>
  `leave the Secret to ${tool}, or replace the placeholder with a sealed value: ${seal}`;

interface Replaced extends Location {
  readonly tool: string;
  /** The command that seals a value to put in its place. */
  readonly seal: string;
}

/** Finds placeholders outside of templates. */
function placeholdersIn({ problems, secrets }: JudgedText): readonly Replaced[] {
  const found: Replaced[] = problems.flatMap(
    ({ holds, inTemplate, tool = templateEngine, ...problem }) =>
      holds === 'placeholder' && !inTemplate
        ? [{ ...problem, tool, seal: rawCommands({ secret: {} }).seal }]
        : [],
  );
  for (const secret of secrets)
    for (const { placeholder: tool, key, position } of secret.values)
      if (tool !== undefined && !secret.inTemplate) {
        const { seal } = rawCommands({ secret }, key);
        found.push({ position, secret: secret.label, key, tool, seal });
      }
  return found;
}

function firstInEachDocument(
  { roots, source }: JudgedText,
  locations: readonly Replaced[],
): readonly Replaced[] {
  if (locations.length < 2) return locations;
  const position = positionsIn(source);
  const starts = roots.map(({ start }) => position(start).line);
  const first = new Map<number, Replaced>();
  for (const location of [...locations].sort(byPosition)) {
    const document = lastAtMost(starts, location.position.line);
    if (!first.has(document)) first.set(document, location);
  }
  return [...first.values()];
}
