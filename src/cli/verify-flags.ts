import type { Format } from '../report/formats.ts';
import type { Severity } from '../verify/rule.ts';

/** The options of `kseal verify`. */
export interface VerifyFlags {
  readonly file: readonly string[];
  readonly staged?: boolean;
  readonly ref: readonly string[];
  readonly key: readonly string[];
  readonly config?: string;
  readonly configFrom?: string;
  readonly format: Format;
  readonly json?: boolean;
  readonly failOn: Severity;
  readonly failIfKid: readonly string[];
  readonly explain?: string;
  readonly quiet?: boolean;
  readonly maxFindings?: number;
}
