// Recognises the work of other tools: files and values that they encrypt, and placeholders that
// they replace.

import { errorFor, type Words } from '../diagnostic.ts';
import { KsealError } from '../errors.ts';
import { bufferOf } from '../jwe/encoding.ts';
import { shellWord } from '../text.ts';
import { positionsIn, type YamlEntry, type YamlMap, type YamlNode } from '../yaml/node.ts';
import { entryNamed, nameOf } from './nodes.ts';
import type { Manifest, SecretDocument } from './types.ts';

/** Whether SOPS encrypted a document. SOPS adds an encrypted MAC of the whole file. */
export function isSops(root: YamlNode): root is YamlMap {
  const sops = sopsEntry(root)?.value;
  const mac = sops?.kind === 'map' ? entryNamed(sops, 'mac') : undefined;
  return mac !== undefined && isSopsText(nameOf(mac.value) ?? '');
}

/** Whether a value is encrypted by SOPS. */
export function isSopsText(text: string): boolean {
  return /^ENC\[AES256_GCM,data:[^\s,]*,iv:[^\s,]+,tag:[^\s,]+,type:\w+\]\s*$/.test(text);
}

const SOPS_PREFIX = 'ENC[AES256_GCM,';

/** Whether a value begins like those of SOPS, even if it is damaged. */
export function startsLikeSops(bytes: Uint8Array): boolean {
  return bufferOf(bytes.subarray(0, SOPS_PREFIX.length)).toString('latin1') === SOPS_PREFIX;
}

/**
 * Throws MANIFEST_INVALID if any document has metadata of SOPS, sound or not. Its MAC covers all
 * documents of a file, so that after any edit none of them can be decrypted.
 *
 * @param typed the path for a command line
 * @param next returns the command that takes the decrypted manifest from stdin
 */
export function refuseSops(
  { path, source, roots, secrets }: Manifest,
  typed: string,
  next?: () => string,
): void {
  const entry = [...roots, ...secrets.map(({ node }) => node)].map(sopsEntry).find(Boolean);
  if (entry === undefined) return;
  // SOPS knows the format from the name.
  const format = /(?:^-|\.ya?ml|\.json)$/.test(typed)
    ? []
    : ['--input-type yaml --output-type yaml'];
  const decrypt = ['sops decrypt', ...format, wordFor(typed)].join(' ');
  const hint = next === undefined ? decrypt : `${decrypt} | ${next()}`;
  const message = 'encrypted by SOPS, so only SOPS can change or open it';
  throw errorFor(path, { position: positionsIn(source)(entry.key.start), message, hint });
}

function sopsEntry(root: YamlNode): YamlEntry | undefined {
  const entry = root.kind === 'map' ? entryNamed(root, 'sops') : undefined;
  return entry?.value.kind === 'map' ? entry : undefined;
}

interface OpaqueFile {
  /** Matches the beginning of the file, without a byte order mark and white space. */
  readonly start: RegExp;
  readonly problem: string;
  /** A function of the path for a command line. */
  readonly hint: (path: string) => string;
}

const inWorkingTree = 'and read the file in the working tree';

/** Files that Git keeps in place of the real ones, so nobody wants them as values either. */
const opaqueFiles: readonly OpaqueFile[] = [
  {
    start:
      /^version (?:https:\/\/(?:git-lfs|hawser)\.github\.com\/spec|http:\/\/git-media\.io\/v)\//,
    problem: 'a Git LFS pointer, not the file itself',
    hint: () => `run git lfs pull, ${inWorkingTree}`,
  },
  {
    start: /^\/annex\/objects\//,
    problem: 'a git-annex pointer, not the file itself',
    hint: (path) => `run git annex get ${path}, ${inWorkingTree}`,
  },
  {
    start: /^\0GITCRYPT\0/,
    problem: 'encrypted by git-crypt',
    hint: () => `run git-crypt unlock, ${inWorkingTree}`,
  },
];

/** Throws MANIFEST_INVALID for a file that Git keeps in place of the real one. */
export function refuseOpaque(bytes: Uint8Array, path: string): void {
  const found = opaqueFile(bytes);
  if (found === undefined) return;
  throw new KsealError('MANIFEST_INVALID', found.problem, {
    thing: path,
    hint: found.hint(wordFor(path)),
  });
}

/** Describes a value that Git keeps in place of a file; undefined for any other. */
export function keptInPlaceOfFile(value: Uint8Array): Words | undefined {
  const found = opaqueFile(value);
  return found && { message: found.problem, hint: found.hint('FILE') };
}

function opaqueFile(bytes: Uint8Array): OpaqueFile | undefined {
  const head = bufferOf(bytes.subarray(0, 256)).toString('latin1');
  const start = head.replace(/^(?:\u00EF\u00BB\u00BF)?\s*/, '');
  return opaqueFiles.find((file) => file.start.test(start));
}

/** A file argument for a hint; the name of a file that was piped in is unknown. */
function wordFor(path: string): string {
  return /^(?:stdin|-)?$/.test(path) ? 'FILE' : shellWord(path);
}

interface Placeholder {
  readonly tool: string;
  readonly pattern: string;
  /** It is unmistakable, even in the middle of other text. */
  readonly anywhere?: true;
}

// Parts of the patterns. A variable is allowed in a path, but only without a literal default.
const variable = String.raw`\$\{\w+\}|\{\{[^{}"'\x60]*\}\}`;
const segment = String.raw`(?:${variable}|[\w.$-])+`;
const goTemplate = String.raw`\$\{ ?\.?\w+(?:\.\w+)*(?: \| \w+)* ?\}`;
const vaultPath = String.raw`(?:>>)?(?:vault|bao):${segment}(?:\/${segment})+#(?:[\w.-]+|(?:${goTemplate})+)(?:#\d+)?`;
const named = String.raw`(?:${variable}|[\w.$ -])+`;
// The last name may contain spaces only if a query ends it: more words could be plaintext.
const onePassword = String.raw`[oO][pP]:\/\/${named}(?:\/${named}){1,2}\/${segment}(?:(?: [\w.-]+)*\?[\w-]+=[\w-]+)?`;
const modifiers = String.raw`(?:\| *(?:jsonPath [^<>|\n]+|(?:base64encode|base64decode|jsonParse|yamlParse|indent \d+|sha256sum) *))*`;

/** The tool that replaces `{{ … }}`, which may be any. */
export const templateEngine = 'a template engine';

/**
 * The placeholders of other tools, in the forms that they document. Each refers to a value by name:
 * a form that can contain a value itself, such as `ref+echo://…` of vals, is plaintext.
 */
const placeholders: readonly Placeholder[] = [
  {
    tool: 'argocd-vault-plugin',
    pattern: String.raw`<path:[^#<>\n]+#[^#|<>\n]+(?:#[^#|<>\n]+)?${modifiers}>`,
    anywhere: true,
  },
  {
    tool: 'argocd-vault-replacer',
    pattern: String.raw`<(?:secret|vault):[^~|<>\s]+~[^~|<>\s]+(?:~\d+)?(?:\|\w+)*>`,
    anywhere: true,
  },
  {
    tool: 'vals',
    pattern: String.raw`(?:secret)?ref\+(?!echo:|envsubst:)[a-z][\w-]*:\/\/(?![^\/\s:@]*:[^\/\s@]*@)(?:${variable}|[^+\s{}"'\x60])+\+?`,
    anywhere: true,
  },
  { tool: 'Bank-Vaults', pattern: String.raw`\$\{${vaultPath}\}`, anywhere: true },
  { tool: 'Bank-Vaults', pattern: vaultPath },
  { tool: 'Bank-Vaults', pattern: String.raw`vault:v\d+:[A-Za-z0-9+\/]{16,}={0,2}` },
  { tool: '1Password', pattern: String.raw`\{\{ *${onePassword} *\}\}`, anywhere: true },
  { tool: '1Password', pattern: onePassword },
  // A default may be plaintext: `${PW:-hunter2}`, `{{ .pw | default "hunter2" }}`.
  {
    tool: 'envsubst',
    pattern: String.raw`\$\{\w+(?:\^{1,2}|,{1,2}|:?[-=?](?:""|''|\$\{\w+\})?)?\}`,
  },
  {
    tool: 'Ansible Vault',
    pattern: String.raw`\$ANSIBLE_VAULT;[\d.]+;AES256(?:;[\w.-]+)?\r?\n[\da-f\s]+`,
  },
  // An expression of CEL that is the path of a field. Literals in others may be plaintext.
  { tool: 'kro', pattern: String.raw`\$\{[A-Za-z_]\w*(?:\.\??\w+|\[\d+\])+\}` },
  // OpenShift has $ before the braces of a parameter that is not a string.
  { tool: templateEngine, pattern: String.raw`\$?\{\{[^{"'\x60]*?\}\}` },
];

/** `<key>`, which only a Secret with annotations of argocd-vault-plugin has. */
const generic: Placeholder = {
  tool: 'argocd-vault-plugin',
  pattern: String.raw`<[^<>\n|]+${modifiers}>`,
};

/** Returns the forms with their regular expression, made when it is first used: it is long. */
function lazily(forms: readonly Placeholder[], flags: string) {
  let pattern: RegExp | undefined;
  return () => {
    pattern ??= new RegExp(forms.map((form) => `(${form.pattern})`).join('|'), flags);
    return { forms, pattern };
  };
}

const specific = lazily(placeholders, 'g');
const withGeneric = lazily([...placeholders, generic], 'g');
const unmistakable = lazily(
  placeholders.filter(({ anywhere }) => anywhere),
  '',
);

/** The tool of the form whose group matched. */
function toolOf(forms: readonly Placeholder[], groups: readonly unknown[]): string | undefined {
  return forms[groups.findIndex((group) => group !== undefined)]?.tool;
}

const MAX_PLACEHOLDER = 4096;

/**
 * Returns the tool that replaces a value; undefined if the value also contains text that stays.
 *
 * @param annotations those of the Secret
 */
export function placeholderTool(
  text: string,
  annotations: SecretDocument['annotations'] = [],
): string | undefined {
  if (text.length > MAX_PLACEHOLDER || !/[{<:;]/.test(text)) return undefined;
  const { forms, pattern } = (hasGenericPlaceholders(annotations) ? withGeneric : specific)();
  let tool: string | undefined;
  const rest = text.replace(pattern, (_, ...groups) => {
    tool ??= toolOf(forms, groups);
    return '';
  });
  return /^[\s"']*$/.test(rest) ? tool : undefined;
}

/** Returns the tool that would replace a part of a text, if that is beyond doubt. */
export function toolNamedIn(text: string): string | undefined {
  if (!/[<{+]/.test(text)) return undefined;
  const { forms, pattern } = unmistakable();
  const [, ...groups] = pattern.exec(text) ?? [];
  return toolOf(forms, groups);
}

function hasGenericPlaceholders(annotations: SecretDocument['annotations']): boolean {
  return annotations.some(({ name }) => /^avp\.kubernetes\.io\/(?!ignore$)/.test(name));
}
