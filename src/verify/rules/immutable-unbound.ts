import { none, type Rule } from '../rule.ts';

export const immutableUnbound: Rule = {
  id: 'immutable-unbound',
  severity: 'warning',
  summary: 'an immutable Secret with unbound values',
  why: 'In a cluster without the webhook, a sealed value is stored as it is. Nothing can replace it in an immutable Secret: the Secret has to be deleted and created again.',
  wrong:
    'kind: Secret\nimmutable: true\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # from another tool, not bound to a Secret',
  right:
    'kind: Secret\nimmutable: true\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # sealed with kseal, which binds it',
  covers: 'line',
  checkSecret: ({ immutable, values, positionOf, position }) => {
    if (!immutable) return none;
    const unbound = values.some(({ jwe }) => jwe !== undefined && jwe.header.binding === undefined);
    if (!unbound) return none;
    const message = 'immutable Secret with unbound values: once stored sealed, they stay sealed';
    const hint = 'seal the plaintext with kseal, which binds it; or remove immutable';
    return [{ position: positionOf('immutable') ?? position, message, hint }];
  },
};
