import type { ReaderCode } from '../../manifest/types.ts';
import type { Rule } from '../rule.ts';

export const misspeltKind: Rule = {
  id: 'misspelt-kind',
  severity: 'error',
  summary: 'something that looks like a Secret, but has a misspelt kind or apiVersion',
  why: 'Kubernetes and kseal recognise a Secret by kind: Secret and apiVersion: v1, with exactly this spelling. This document spells one of them differently, so Kubernetes does not accept it as a Secret, and kseal does not seal it. A Secret belongs to another project only if its API group has a dot, as in example.com/v1.',
  wrong: 'apiVersion: v1\nKind: secret',
  right: 'apiVersion: v1\nkind: Secret',
  covers: 'text',
  inTemplates: true,
  checkProblem: (problem) => {
    const isReported = problem.inTemplate ? inTemplates : outsideTemplates;
    return isReported.includes(problem.code) ? problem : undefined;
  },
};

const inTemplates: readonly ReaderCode[] = ['misspelt-kind'];
// Rendering may correct these.
const outsideTemplates: readonly ReaderCode[] = [
  ...inTemplates,
  'missing-version',
  'unrendered-kind',
];
