import { positionsIn, type YamlNode } from '../../yaml/node.ts';
import { type JudgedText, type Rule, renderFirst, type Violation } from '../rule.ts';
import { hasSecretWords, isBraces } from '../templates.ts';

export const unparsable: Rule = {
  id: 'unparsable',
  severity: 'error',
  summary: 'a text that is not YAML',
  why: 'A text that cannot be parsed cannot be judged. It is an error if the text contains the words kind and Secret, and otherwise a warning. A template that is not YAML even without its {{ }} is an error if it may be a Secret. Only the first error of a text is reported, because the others tend to follow from it.',
  wrong: 'kind: Secret\nmetadata:\n  name: db\n namespace: hr',
  right: 'kind: Secret\nmetadata:\n  name: db\n  namespace: hr',
  covers: 'text',
  inTemplates: true,
  checkText: (text) => [...hiddenTemplates(text), ...scalarsThatMentionSecrets(text)],
  checkProblem: ({ code, position, message, inTemplate }, { source }) => {
    if (code !== 'unparsable' && code !== 'duplicate-key') return undefined;
    // Only one of two branches of a template is rendered.
    if (inTemplate && code === 'duplicate-key') return undefined;
    const hint = code === 'duplicate-key' ? 'remove one of them' : correctIt;
    return { position, message, hint, severity: hasSecretWords(source) ? 'error' : 'warning' };
  },
};

const correctIt = 'correct the YAML, or exclude the file: verify.ignore in .kseal.yaml';

function hiddenTemplates({ templates }: JudgedText): readonly Violation[] {
  return templates.flatMap(({ position, hidden }) => {
    if (!hidden || position === undefined) return [];
    const message = 'a template that is not YAML even without its actions may hide plaintext';
    return [{ position, message, hint: renderFirst }];
  });
}

/** Text that is a scalar in YAML may be JSON to kubectl, which skips white space before `{`. */
function scalarsThatMentionSecrets({ source, roots }: JudgedText): readonly Violation[] {
  const odd = roots.filter((root) => !isObject(root, source));
  if (odd.length === 0) return [];
  const position = positionsIn(source);
  return odd
    .filter(({ start, end }) => hasSecretWords(source.slice(start, end)))
    .map(({ start }) => ({
      position: position(start),
      message: 'mentions a Secret, but is not an object',
      hint: correctIt,
    }));
}

function isObject(root: YamlNode, source: string): boolean {
  if (root.kind !== 'map') return root.kind !== 'scalar';
  return root.entries.every(({ key }) => key.kind !== 'map' || isBraces(key, source));
}
