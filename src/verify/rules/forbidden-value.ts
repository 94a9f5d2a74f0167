import { forbiddenValue as reasonAgainst } from '../../kubernetes/secret.ts';
import { none, type Rule } from '../rule.ts';

export const forbiddenValue: Rule = {
  id: 'forbidden-value',
  severity: 'error',
  summary: 'a plaintext value that the type of the Secret forbids',
  why: 'Kubernetes refuses a Secret of type kubernetes.io/dockerconfigjson or kubernetes.io/dockercfg unless its value is a JSON object. kseal seal refuses such a value too: after sealing, nobody would see the mistake before admission.',
  wrong: 'type: kubernetes.io/dockerconfigjson\nstringData:\n  .dockerconfigjson: user:password',
  right:
    'type: kubernetes.io/dockerconfigjson\ndata:\n  .dockerconfigjson: ZXlKaGJHY2lPaUpTVTBF…   # sealed: {"auths":{…}}',
  checkValue: ({ position, key, bytes, jwe, defect, placeholder }, { type }) => {
    if (jwe !== undefined || defect !== undefined || placeholder) return none;
    const reason = reasonAgainst(type, key, bytes);
    if (reason === undefined) return none;
    const hint = 'correct the value, or the type';
    return [{ position, key, message: `the value ${reason}`, hint }];
  },
};
