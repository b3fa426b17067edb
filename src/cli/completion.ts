import * as z from 'zod';
import { flag } from '../contract/flag.ts';
import { defineCommand } from './command.ts';
import { write } from './io.ts';
import { SUMMARIES } from './summaries.ts';

/**
 * Scripts for shells that complete `kubectl-gpu_mcp` itself. Behind `kubectl` its own completion
 * asks the program `kubectl_complete-gpu_mcp` on PATH; both read what complete.ts prints.
 */
const BASH = `# bash completion for kubectl-gpu_mcp; to load it: source <(kubectl gpu-mcp completion bash)
_kubectl_gpu_mcp() {
  # Bash cuts words at = and : too; what belongs together is put together again.
  local line=\${COMP_LINE:0:COMP_POINT} typed=() bare word i
  for ((i = 0; i <= COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    bare=\${line#"\${line%%[![:space:]]*}"}
    if ((i > 0)) && [[ $bare == "$line" ]]; then
      typed[\${#typed[@]}-1]+=$word
    else
      typed+=("$word")
    fi
    line=\${bare#"$word"}
  done
  local unfinished=\${typed[\${#typed[@]}-1]} cut=\${COMP_WORDS[COMP_CWORD]}
  [[ $cut == [=:]* ]] && cut=
  local before=\${unfinished%"$cut"} directive=4
  COMPREPLY=()
  while IFS= read -r line; do
    case $line in
      :[0-9]*) directive=\${line#:} ;;
      *)
        word=\${line%%$'\\t'*}
        word=\${word#"$before"}
        [[ $word == *[!a-zA-Z0-9_./:@=+-]* ]] && word=$(printf %q "$word")
        COMPREPLY+=("$word")
        ;;
    esac
  done < <("\${typed[0]}" __complete "\${typed[@]:1}" 2>/dev/null)
  ((directive & 2)) && compopt -o nospace 2>/dev/null
  ((directive & 4)) || compopt -o default 2>/dev/null
  return 0
}
complete -F _kubectl_gpu_mcp kubectl-gpu_mcp kubectl-gpu-mcp
`;

const ZSH = `#compdef kubectl-gpu_mcp kubectl-gpu-mcp
# zsh completion for kubectl-gpu_mcp; to load it: source <(kubectl gpu-mcp completion zsh)
_kubectl_gpu_mcp() {
  local -a lines offered
  local line word directive
  lines=("\${(@f)$("\${(Q)words[1]}" __complete "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}")
  directive=\${lines[-1]#:}
  lines[-1]=()
  for line in $lines; do
    word=\${\${line%%$'\\t'*}//:/\\\\:}
    [[ $line == *$'\\t'* ]] && word+=":\${line#*$'\\t'}"
    offered+=("$word")
  done
  if ((\${#offered})); then
    if ((directive & 2)); then
      _describe -V 'gpu-mcp' offered -S ''
    else
      _describe -V 'gpu-mcp' offered
    fi
  elif ((!(directive & 4))); then
    compset -P '*='
    _files
  fi
}
if [[ $funcstack[1] == _kubectl_gpu_mcp ]]; then
  _kubectl_gpu_mcp
else
  compdef _kubectl_gpu_mcp kubectl-gpu_mcp kubectl-gpu-mcp
fi
`;

const FISH = `# fish completion for kubectl-gpu_mcp; to load it: kubectl gpu-mcp completion fish | source
function __kubectl_gpu_mcp_complete
    set -l typed (commandline -opc)
    set -l unfinished (commandline -ct)
    set -l lines ($typed[1] __complete $typed[2..-1] "$unfinished" 2>/dev/null)
    set -l directive (string replace ':' '' -- $lines[-1])
    set -e lines[-1]
    if test (count $lines) -gt 0
        printf '%s\\n' $lines
    else if test "$directive" = 0
        set -l before (string match -r -- '^--?[^=]+=' $unfinished)
        set -l path (string replace -r -- '^--?[^=]+=' '' $unfinished)
        for found in (__fish_complete_path "$path")
            printf '%s%s\\n' $before $found
        end
    end
end
for name in kubectl-gpu_mcp kubectl-gpu-mcp
    complete -c $name -e
    complete -c $name -f -k -a '(__kubectl_gpu_mcp_complete)'
end
`;

const POWERSHELL = `# PowerShell completion for kubectl-gpu_mcp; to load it: kubectl gpu-mcp completion powershell | Out-String | Invoke-Expression
Register-ArgumentCompleter -Native -CommandName 'kubectl-gpu_mcp', 'kubectl-gpu-mcp' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)
    $typed = @($commandAst.CommandElements | Where-Object { $_.Extent.StartOffset -lt $cursorPosition } | ForEach-Object { "$_" })
    $program = $typed[0]
    $before = @($typed | Select-Object -Skip 1)
    if ($wordToComplete -ne '') { $before = @($before | Select-Object -SkipLast 1) }
    # An empty word would be dropped by PowerShell before 7.3.
    $unfinished = if ($wordToComplete -eq '' -and $PSVersionTable.PSVersion -lt [version]'7.3') { '""' } else { $wordToComplete }
    & $program __complete @before $unfinished 2>$null | Where-Object { $_ -notmatch '^:\\d+$' } | ForEach-Object {
        $word, $meaning = $_ -split "\`t", 2
        if (-not $meaning) { $meaning = $word }
        [System.Management.Automation.CompletionResult]::new($word, $word, 'ParameterValue', $meaning)
    }
}
`;

const SCRIPTS = { bash: BASH, zsh: ZSH, fish: FISH, powershell: POWERSHELL };
const SHELLS = ['bash', 'zsh', 'fish', 'powershell'] as const;

/** Completion for shells. */
export const completion = defineCommand({
  ...SUMMARIES.completion,
  examples: [
    ['source <($0 completion bash)', 'for this shell; ~/.bashrc keeps it'],
    ['$0 completion fish | source', 'the same in fish'],
  ],
  flags: {
    shell: flag(z.enum(SHELLS), { type: 'string', choices: SHELLS, isWord: true }),
  },
  async run({ args, io }) {
    await write(io.stdout, SCRIPTS[args.shell]);
    return 0;
  },
});
