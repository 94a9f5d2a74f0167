import { describeBinding, describePlace } from '../../jwe/binding.ts';
import { misplacedPart, none, type Rule } from '../rule.ts';

export const bindingMismatch: Rule = {
  id: 'binding-mismatch',
  severity: 'error',
  summary: 'a sealed value that stands in another place than it was sealed for',
  why: 'A sealed value opens only in the namespace, the Secret and the data key it was sealed for. This one was copied or the Secret was renamed, and at admission the whole Secret will be refused. Whoever holds the private key can move a Secret: kseal decrypt FILE -k REF | kseal seal -f - -k KEY.',
  wrong: 'metadata:\n  name: db-v2   # the values were sealed for the Secret db\n  namespace: hr',
  right: 'metadata:\n  name: db\n  namespace: hr',
  checkValue: (value, secret, allowed) => {
    const { position, key, jwe } = value;
    const part = misplacedPart(value, secret, allowed);
    if (part === undefined || jwe?.header.binding === undefined) return none;
    const sealedFor = describeBinding(jwe.header.binding);
    const { name, generateName, namespace } = secret;
    const place = describePlace({ namespace, name: name ?? generateName?.concat('*'), key });
    const message = `sealed for ${sealedFor}, but stands in ${place}: another ${part}`;
    const hint =
      part === 'name' && name === undefined
        ? 'write a name in place of generateName, or seal with --scope namespace-wide'
        : 'put it back, or seal the plaintext for this place';
    return [{ position, key, message, hint }];
  },
};
