/** A shell that completes command lines of kseal. */
export interface Shell {
  /** The start-up file of the shell, and the line in it that turns completion on. */
  readonly file: string;
  readonly line: string;
  /**
   * The script that the line runs. It writes the command line up to the cursor to stdin of
   * `kseal completion SHELL --words`, because other users can see arguments, and NUL after it. bash
   * also writes the part that it replaces, because it breaks words at `=` and `:`.
   *
   * The first line of the answer is `KIND<TAB>PREFIX`. With the kind `files` or `folders` the shell
   * completes these, too, after the prefix of the word, such as `--into=`. Each further line is
   * `TEXT<TAB>DESCRIPTION`. After any error the answer is empty.
   */
  readonly script: string;
  /** The character that makes the next one literal. */
  readonly escapeCharacter: '\\' | '`';
  /** The text to insert for a word; `kept` is the length of the part that bash leaves untouched. */
  readonly insert: (prefix: string, word: string, kept: number) => string;
}

const bash = `# Completion of kseal for bash, with or without bash-completion.
_kseal() {
    local kind word
    COMPREPLY=()
    {
        IFS=$'\\t' read -r kind _
        while IFS=$'\\t' read -r word _; do COMPREPLY+=("$word"); done
    } < <(printf '%s\\0' "\${COMP_LINE:0:COMP_POINT}" "$2" | kseal completion bash --words 2>/dev/null)
    {
        # compopt is missing in bash 3.2.
        if [[ $kind == words ]]; then
            compopt +o default
        elif (( \${#COMPREPLY[@]} )); then
            compopt -o filenames
            while IFS= read -r word; do COMPREPLY+=("$word"); done < <(compgen -f -- "$2")
        fi
    } 2>/dev/null
}
# Without a word in COMPREPLY, bash itself completes files.
complete -o default -F _kseal kseal
`;

const zsh = `#compdef kseal
# Completion of kseal for zsh.
_kseal() {
    local kind prefix word text ret=1
    local -a found
    {
        IFS=$'\\t' read -r kind prefix
        while IFS=$'\\t' read -r word text; do found+=("\${word//:/\\\\:}\${text:+:$text}"); done
    } < <(printf '%s\\0' "\${(j: :)words[1,CURRENT-1]} $QIPREFIX$PREFIX" | kseal completion zsh --words 2>/dev/null)
    compset -p \${#prefix}
    (( $#found )) && _describe kseal found && ret=0
    case $kind in
        files) _files && ret=0 ;;
        folders) _files -/ && ret=0 ;;
    esac
    return ret
}
(( $+functions[compdef] )) || { autoload -Uz compinit && compinit -i }
compdef _kseal kseal
`;

const fish = `# Completion of kseal for fish.
function __kseal_complete
    set -l lines (printf '%s\\0' (commandline -cp | string collect) | kseal completion fish --words 2>/dev/null)
    set -q lines[1]; or return
    set -l head (string split -m 1 \\t -- $lines[1])
    set -q lines[2]; and printf '%s\\n' $lines[2..-1]
    test $head[1] = words; and return
    set -l path (string sub -s (math (string length -- "$head[2]") + 1) -- (commandline -ct))
    for file in (complete -C "'' $path")
        test $head[1] = folders; and not string match -q '*/*' -- $file; and continue
        echo "$head[2]$file"
    end
end
complete -c kseal -f -a '(__kseal_complete)'
`;

const powershell = `# Completion of kseal for PowerShell.
Register-ArgumentCompleter -Native -CommandName kseal -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $length = $cursorPosition - $commandAst.Extent.StartOffset
    $line = $commandAst.ToString().PadRight($length).Substring(0, $length)
    $lines = @("$line\`0" | kseal completion powershell --words 2>$null)
    $kind, $prefix = "$($lines[0])" -split "\`t", 2
    $lines | Select-Object -Skip 1 | ForEach-Object {
        $word, $text = $_ -split "\`t", 2
        if (-not $text) { $text = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $text)
    }
    if ($kind -eq 'words') {
        # Without a result, PowerShell completes files.
        if ($lines.Count -eq 1) { '' }
    } elseif ($prefix) {
        $path = $wordToComplete.Substring($prefix.Length)
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($path) | ForEach-Object {
            $text = $prefix + $_.CompletionText
            [System.Management.Automation.CompletionResult]::new($text, $_.ListItemText, $_.ResultType, $_.ToolTip)
        }
    } elseif ($lines.Count -gt 1) {
        [System.Management.Automation.CompletionCompleters]::CompleteFilename($wordToComplete)
    }
}
`;

export const shells: Readonly<Record<string, Shell>> = {
  bash: {
    file: '~/.bashrc',
    line: 'eval "$(kseal completion bash)"',
    script: bash,
    escapeCharacter: '\\',
    insert: (prefix, word, kept) => `${prefix}${word}`.slice(kept),
  },
  zsh: {
    file: '~/.zshrc',
    line: 'eval "$(kseal completion zsh)"',
    script: zsh,
    escapeCharacter: '\\',
    insert: (_, word) => word,
  },
  fish: {
    file: '~/.config/fish/config.fish',
    line: 'kseal completion fish | source',
    script: fish,
    escapeCharacter: '\\',
    insert: (prefix, word) => prefix + word,
  },
  powershell: {
    file: '$PROFILE',
    line: 'kseal completion powershell | Out-String | iex',
    script: powershell,
    escapeCharacter: '`',
    insert: (prefix, word) => prefix + word,
  },
};

interface Words {
  /** The words without quotes, up to the cursor; the last one may be empty. */
  readonly words: readonly string[];
  /** The last word is the file of a redirection. */
  readonly isRedirected: boolean;
}

/** Splits a command line as a shell does, without expanding anything, and omits redirections. */
export function wordsIn(line: string, escapeCharacter: Shell['escapeCharacter']): Words {
  const words: string[] = [];
  let word: string | undefined;
  let isRedirected = false;
  const end = () => {
    if (word !== undefined && !isRedirected) words.push(word);
    if (word !== undefined) isRedirected = false;
    word = undefined;
  };
  const { token, escaped } = syntaxes[escapeCharacter];
  for (const [, single, double, next, digits, redirection, other] of line.matchAll(token)) {
    if (redirection !== undefined) {
      // In `2>file`, 2 is a file descriptor; in `db2>file` it belongs to the word.
      if (word !== undefined) word += digits;
      end();
      isRedirected = true;
    } else if (other !== undefined && /\s/.test(other)) end();
    else word = `${word ?? ''}${single ?? double?.replace(escaped, '$1') ?? next ?? other}`;
  }
  return { words: isRedirected ? words : [...words, word ?? ''], isRedirected };
}

/** The parts of a command line; a quote at the cursor may still be open. */
const syntaxes = {
  '\\': {
    token: /'([^']*)'?|"((?:\\["$`\\]|[^"])*)"?|\\(.)|(\d*)(&?[<>]+[&|]?)|(.)/gs,
    escaped: /\\(["$`\\])/g,
  },
  '`': {
    token: /'([^']*)'?|"((?:`.|[^"])*)"?|`(.)|(\d*)(&?[<>]+[&|]?)|(.)/gs,
    escaped: /`(.)/gs,
  },
};
