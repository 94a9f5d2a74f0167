import type { Rule } from '../rule.ts';

export const template: Rule = {
  id: 'template',
  severity: 'warning',
  summary: 'a template, or a value that another tool puts in',
  why: 'What a Helm template becomes is known only once it is rendered, so a Secret in it cannot be judged, save for plaintext that stands there as it is. Render it first and verify the result: helm template . | kseal verify -. It is said once for each document.',
  wrong:
    'kind: Secret\nmetadata:\n  name: {{ .Release.Name }}-db\nstringData:\n  password: {{ .Values.password }}',
  right: '# in values.yaml, a value sealed with: kseal seal --raw …',
  covers: 'line',
};
