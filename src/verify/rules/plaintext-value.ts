import { none, type Rule, sealCommand, sealInTemplate } from '../rule.ts';

export const plaintextValue: Rule = {
  id: 'plaintext-value',
  severity: 'error',
  summary: 'a value that is not sealed',
  why: 'Base64 is no encryption: whoever can read the repository, or once could, knows this value. Sealing it now does not take it out of the history of the repository: if it was ever committed, change it as well.',
  wrong: 'kind: Secret\nstringData:\n  password: correct horse',
  right: 'kind: Secret\ndata:\n  password: ZXlKaGJHY2lPaUpTVTBF…   # kseal seal -f FILE -i',
  inTemplates: true,
  checkValue: ({ position, key, jwe, fault, placeholder }, { path, sops, template }) => {
    if (jwe !== undefined || fault !== undefined || placeholder) return none;
    const own = template ? sealInTemplate : `seal it: ${sealCommand(path)}`;
    const first = sops ? 'encrypt it with sops, as the rest is' : own;
    const hint = `${first}; and if it was ever committed, change it`;
    return [{ position, key, message: 'the value is not sealed', hint }];
  },
};
