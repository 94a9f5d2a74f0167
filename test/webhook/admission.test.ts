import { expect, test } from 'vitest';
import { answerText } from '../../src/webhook/admission-review.ts';

test('an answer is one line of JSON with the response alone', () => {
  expect(answerText({ uid: '"\n', allowed: true })).toBe(
    '{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{"uid":"\\"\\n","allowed":true}}\n',
  );
});
