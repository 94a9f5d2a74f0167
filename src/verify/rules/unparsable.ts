import type { Rule } from '../rule.ts';

export const unparsable: Rule = {
  id: 'unparsable',
  severity: 'error',
  summary: 'a text that is not YAML',
  why: 'What cannot be parsed cannot be judged. It is an error where the text holds the words kind and Secret, and a warning elsewhere. So is a template, if it is no YAML even without what stands in {{ }}. Only the first fault of a text is told, for the others tend to follow from it.',
  wrong: 'kind: Secret\nmetadata:\n  name: db\n namespace: hr',
  right: 'kind: Secret\nmetadata:\n  name: db\n  namespace: hr',
  covers: 'text',
};
