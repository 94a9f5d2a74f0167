import { none, type Rule } from '../rule.ts';

export const jsonSerialization: Rule = {
  id: 'json-serialization',
  severity: 'error',
  summary: 'a sealed value in JSON form',
  why: 'Some JOSE tools write a JWE as a JSON object (jose-util encrypt --full). The webhook opens compact JWEs only: it would ignore this value, and the program would get the JSON text as its password. Rewriting it needs no key.',
  wrong:
    'stringData:\n  password: \'{"protected":"eyJhbGciOiJSU0E…","encrypted_key":"…","iv":"…","ciphertext":"…","tag":"…"}\'',
  right:
    'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # kseal seal --into FILE --from-jwe password=FILE',
  inTemplates: true,
  checkValue: ({ position, key, defect }) => {
    if (defect?.kind !== 'flattened' || defect.error === undefined) return none;
    const { message, hint } = defect.error;
    return [{ position, key, message, hint }];
  },
};
