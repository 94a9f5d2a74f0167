import { describeBinding, describePlace } from '../../jwe/binding.ts';
import { misplacedPart, none, type Rule } from '../rule.ts';

export const bindingMismatch: Rule = {
  id: 'binding-mismatch',
  severity: 'error',
  summary: 'a sealed value in a different place from the one it was sealed for',
  why: 'A sealed value opens only in the namespace, the Secret and the data key it was sealed for. This value was copied, or its Secret was renamed, and the webhook will refuse the whole Secret. The holder of the private key can move a Secret: kseal decrypt FILE -k REF | kseal seal -f - -k KEY.',
  wrong: 'metadata:\n  name: db-v2   # the values were sealed for the Secret db\n  namespace: hr',
  right: 'metadata:\n  name: db\n  namespace: hr',
  checkValue: (value, secret, policy) => {
    const { position, key, jwe } = value;
    const part = misplacedPart(value, secret, policy);
    if (part === undefined || jwe?.header.binding === undefined) return none;
    const sealedFor = describeBinding(jwe.header.binding);
    const { name, generateName, namespace } = secret;
    const place = describePlace({ namespace, name: name ?? generateName?.concat('*'), key });
    const message = `sealed for ${sealedFor}, found in ${place}: different ${part}`;
    const hint =
      part === 'name' && name === undefined
        ? 'replace generateName with name, or seal with --scope namespace-wide'
        : 'move it back, or seal the plaintext for this Secret and data key';
    return [{ position, key, message, hint }];
  },
};
