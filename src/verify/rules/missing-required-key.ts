import { missingKeys } from '../../kubernetes/secret.ts';
import { shellWord } from '../../text.ts';
import type { Rule } from '../rule.ts';

export const missingRequiredKey: Rule = {
  id: 'missing-required-key',
  severity: 'error',
  summary: 'a Secret without a data key that its type requires',
  why: 'Kubernetes refuses a Secret of a built-in type that lacks a required data key: kubernetes.io/tls needs tls.crt and tls.key, kubernetes.io/ssh-auth needs ssh-privatekey, and so on.',
  wrong: 'type: kubernetes.io/tls\ndata:\n  tls.crt: ZXlKaGJHY2lPaUpTVTBF…',
  right:
    'type: kubernetes.io/tls\ndata:\n  tls.crt: ZXlKaGJHY2lPaUpTVTBF…\n  tls.key: ZXlKaGJHY2lPaUpTVTBF…',
  covers: 'line',
  checkSecret: ({ type, dataKeys, path, nested, positionOf, position }) =>
    missingKeys(type, dataKeys).map(({ key, message }) => ({
      position: positionOf('type') ?? position,
      message,
      hint:
        nested === undefined
          ? `add it: kseal seal --into ${shellWord(path)} --from-file ${key}=PATH; or correct the type`
          : 'add it, or correct the type',
    })),
};
