import { mayHoldSecret } from '../../manifest/read.ts';
import { type JudgedText, type Rule, renderFirst, type Violation } from '../rule.ts';

export const unparsable: Rule = {
  id: 'unparsable',
  severity: 'error',
  summary: 'a text that is not YAML',
  why: 'A text that cannot be parsed cannot be judged. It is a warning only if the text provably holds no Secret: not as the words kind and Secret, and not as escapes, tags or actions that can become these words. The same applies to a template that is not YAML even without its {{ }}. Only the first error of a text is reported, because the others tend to follow from it.',
  wrong: 'kind: Secret\nmetadata:\n  name: db\n namespace: hr',
  right: 'kind: Secret\nmetadata:\n  name: db\n  namespace: hr',
  covers: 'text',
  inTemplates: true,
  checkText: hiddenTemplates,
  checkProblem: (
    { code, position, message, hint = correctIt, inTemplate },
    { source, request },
  ) => {
    if (code !== 'unparsable' && code !== 'duplicate-key') return undefined;
    // The rule malformed-request reports it.
    if (request !== undefined) return undefined;
    // Only one of two branches of a template is rendered.
    if (inTemplate && code === 'duplicate-key') return undefined;
    return { position, message, hint, severity: mayHoldSecret(source) ? 'error' : 'warning' };
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
