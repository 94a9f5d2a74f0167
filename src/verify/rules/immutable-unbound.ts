import { none, type Rule } from '../rule.ts';

export const immutableUnbound: Rule = {
  id: 'immutable-unbound',
  severity: 'warning',
  summary: 'an immutable Secret with unbound values',
  why: 'Where unbound values are not accepted, or the webhook is absent for a moment, an unbound value is stored as it is. In an immutable Secret nothing can replace it any more: the Secret has to be deleted and made anew.',
  wrong:
    'kind: Secret\nimmutable: true\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # of another tool, bound to no place',
  right:
    'kind: Secret\nimmutable: true\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # sealed with kseal, which binds it',
  covers: 'line',
  checkSecret: ({ immutable, values, placeOf, position }) => {
    if (!immutable) return none;
    const unbound = values.some(({ jwe }) => jwe !== undefined && jwe.header.binding === undefined);
    if (!unbound) return none;
    const message = 'immutable, with values bound to no place: once stored sealed, they stay so';
    const hint = 'seal the plaintext with kseal, which binds it; or remove immutable';
    return [{ position: placeOf('immutable') ?? position, message, hint }];
  },
};
