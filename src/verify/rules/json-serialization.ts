import { faultOf, type Rule } from '../rule.ts';

export const jsonSerialization: Rule = {
  id: 'json-serialization',
  severity: 'error',
  summary: 'a sealed value in JSON form',
  why: 'Some JOSE tools write a JWE as a JSON object (jose-util encrypt --full). The webhook opens compact JWEs only: it would leave this one alone, and the program would get the JSON text in place of its password. The rewrite needs no key.',
  wrong:
    'stringData:\n  password: \'{"protected":"eyJhbGciOiJSU0E…","encrypted_key":"…","iv":"…","ciphertext":"…","tag":"…"}\'',
  right:
    'data:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # kseal seal --into FILE --from-jwe password=FILE',
  inTemplates: true,
  checkValue: (value) => faultOf(value, 'json-serialization'),
};
