import type { Rule } from '../rule.ts';
import { algorithmNotAllowed } from './algorithm-not-allowed.ts';
import { badSuppression } from './bad-suppression.ts';
import { bindingMismatch } from './binding-mismatch.ts';
import { deprecatedKey } from './deprecated-key.ts';
import { duplicateDataKey } from './duplicate-data-key.ts';
import { forbiddenValue } from './forbidden-value.ts';
import { immutableUnbound } from './immutable-unbound.ts';
import { invalidDataKey } from './invalid-data-key.ts';
import { invalidName } from './invalid-name.ts';
import { invalidValue } from './invalid-value.ts';
import { jsonSerialization } from './json-serialization.ts';
import { malformedJwe } from './malformed-jwe.ts';
import { malformedRequest } from './malformed-request.ts';
import { mergeConflict } from './merge-conflict.ts';
import { missingKid } from './missing-kid.ts';
import { missingName } from './missing-name.ts';
import { missingNamespace } from './missing-namespace.ts';
import { missingRequiredKey } from './missing-required-key.ts';
import { misspeltKind } from './misspelt-kind.ts';
import { plaintextAnnotation } from './plaintext-annotation.ts';
import { plaintextValue } from './plaintext-value.ts';
import { privateKey } from './private-key.ts';
import { rawJweInData } from './raw-jwe-in-data.ts';
import { refusedKey } from './refused-key.ts';
import { revokedKey } from './revoked-key.ts';
import { scopeTooWide } from './scope-too-wide.ts';
import { serverMetadata } from './server-metadata.ts';
import { stringData } from './string-data.ts';
import { template } from './template.ts';
import { tooLarge } from './too-large.ts';
import { unboundValue } from './unbound-value.ts';
import { unfilledRequest } from './unfilled-request.ts';
import { unknownField } from './unknown-field.ts';
import { unknownKid } from './unknown-kid.ts';
import { unparsable } from './unparsable.ts';
import { unreadable } from './unreadable.ts';
import { unsupportedYaml } from './unsupported-yaml.ts';
import { weakKey } from './weak-key.ts';
import { wrongKey } from './wrong-key.ts';
import { wrongNamespace } from './wrong-namespace.ts';

/** All rules, in the order of lists: about values, keys, fields, Secrets and texts. */
export const rules: readonly Rule[] = [
  plaintextValue,
  malformedJwe,
  jsonSerialization,
  algorithmNotAllowed,
  unknownKid,
  missingKid,
  unboundValue,
  bindingMismatch,
  scopeTooWide,
  wrongKey,
  revokedKey,
  deprecatedKey,
  weakKey,
  refusedKey,
  rawJweInData,
  stringData,
  duplicateDataKey,
  invalidDataKey,
  invalidValue,
  forbiddenValue,
  plaintextAnnotation,
  privateKey,
  tooLarge,
  unknownField,
  serverMetadata,
  misspeltKind,
  missingName,
  invalidName,
  missingNamespace,
  wrongNamespace,
  missingRequiredKey,
  immutableUnbound,
  unsupportedYaml,
  unreadable,
  mergeConflict,
  unparsable,
  template,
  malformedRequest,
  unfilledRequest,
  badSuppression,
];
