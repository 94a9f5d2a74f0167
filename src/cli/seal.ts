import { type Command, Option } from 'commander';
import { scopes } from '../jwe/binding.ts';
import { accidentIds } from '../seal/value-warnings.ts';
import { addKeyOptions } from './context.ts';
import { repeated } from './input.ts';
import type { IO } from './io.ts';
import { sealFiles } from './seal-files.ts';
import { checkUsage, type SealFlags } from './seal-usage.ts';
import { rewriteJwe, sealIntoFile, sealNew } from './seal-values.ts';
import type { Source, SourceKind } from './values.ts';

/** The value sources, in the words of `--help`. */
const sourceOptions: readonly (readonly [flags: string, kind: SourceKind, help: string])[] = [
  ['--prompt <key>', 'prompt', 'ask for the value on the terminal; it is not shown'],
  ['--stdin <key>', 'stdin', 'read the value from stdin, less one newline at its end'],
  ['--from-file <path>', 'file', 'take the exact octets of a file; KEY=PATH names the data key'],
  ['--from-env-file <path>', 'env-file', 'take KEY=VALUE lines, without quoting or expansion'],
  ['--from-literal <key=value>', 'literal', 'take the value from here, where others may see it'],
  ['--from-jwe <path>', 'jwe', 'take a JWE of another tool, or KEY=PATH; JSON becomes compact'],
];

export function configure(command: Command, io: IO): void {
  addKeyOptions(addSealOptions(command, io));
}

function addSealOptions(command: Command, io: IO): Command {
  const none: readonly string[] = [];
  const sources: Source[] = [];
  command
    .usage(
      `NAME -n NAMESPACE -k REF --prompt KEY   make a manifest
       kseal seal --into FILE -k REF --prompt KEY        add or replace a value
       kseal seal -f FILE -k REF                         seal a manifest's plaintext values`,
    )
    .argument('[name...]', 'the Secret; with -f, further files')
    .option('-n, --namespace <name>', 'the namespace that the Secret is for')
    .option('-k, --key <ref>', 'the public key to seal to (KSEAL_SEAL_KEY)')
    .option('--pin <kid>', 'the fingerprint that the key must have')
    .option('--into <file>', 'add, replace or remove values of this manifest, in place')
    .option('--remove <key>', 'with --into: remove a data key', repeated, none)
    .option('-f, --file <file>', 'seal the values of this manifest; - is stdin', repeated, none)
    .option('-i, --in-place', 'with -f: write back to the same files; folders are walked')
    .option('-o, --output <file>', 'write here instead of stdout')
    .option('--force', 'overwrite an output that exists');
  for (const [flags, kind, help] of sourceOptions) {
    command.option(flags, help, (text) => void sources.push({ kind, text }));
  }
  return command
    .addOption(
      new Option(
        '--scope <scope>',
        'how far from here the values may be opened (default: strict)',
      ).choices(scopes),
    )
    .option('--string-data', 'write the JWE itself under stringData')
    .option('--type <type>', 'type of a new Secret')
    .option('--label <key=value>', 'label of a new Secret', repeated, none)
    .option('--annotation <key=value>', 'annotation of a new Secret', repeated, none)
    .option('--raw', 'print the bare JWE of one value instead of a manifest')
    .option('--keep-newline', 'with --stdin: keep the newline at the end')
    .option('--allow-empty', 'with --stdin or --prompt: the value may be empty')
    .option('--strict', 'make warnings about values errors')
    .option('--allow <id>', `silence a warning: ${accidentIds.join(', ')}`, repeated, none)
    .action((names: string[], flags: SealFlags) => dispatch(io, names, flags, sources));
}

function dispatch(io: IO, names: string[], flags: SealFlags, sources: Source[]): Promise<void> {
  const target = checkUsage(io, names, flags, sources);
  const [name] = names;
  if (target === 'file') return sealFiles(io, [...flags.file, ...names], flags);
  if (target === 'into') return sealIntoFile(io, name, flags, sources);
  return name === undefined ? rewriteJwe(io, flags, sources) : sealNew(io, name, flags, sources);
}
