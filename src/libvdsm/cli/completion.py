"""The scripts by which bash, zsh and fish complete vdsmsh.

Each asks vdsmsh itself, by the environment variable of click's protocol, so names of objects and
words of the schema are those of the present.
"""

from __future__ import annotations

from typing import Final

from click.shell_completion import CompletionItem, FishComplete, ShellComplete, ZshComplete, add_completion_class, split_arg_string

PROGRAM: Final = "vdsmsh"
VARIABLE: Final = "_VDSMSH_COMPLETE"
SHELLS: Final = ("bash", "zsh", "fish")

HELP: Final = """Prints the script by which a shell completes commands, options, words and names of objects.

\b
bash:  vdsmsh completion bash > ~/.local/share/bash-completion/completions/vdsmsh
zsh:   vdsmsh completion zsh > ~/.zfunc/_vdsmsh      (a directory of fpath)
fish:  vdsmsh completion fish > ~/.config/fish/completions/vdsmsh.fish
"""

# Bash splits words at = and :, which stand in our key=value words; the words are joined again by the line itself.
_BASH: Final = """\
%(complete_func)s() {
    local IFS=$'\\n' line kind value prefix
    local current="${COMP_LINE:0:COMP_POINT}"
    COMPREPLY=()
    prefix="${current##*[[:space:]]}"
    prefix="${prefix%%"${COMP_WORDS[COMP_CWORD]}"}"
    case "${COMP_WORDS[COMP_CWORD]}" in
        = | :) prefix="${current##*[[:space:]]}" ;;
    esac
    while read -r line; do
        kind="${line%%%%,*}"
        value="${line#*,}"
        case "$kind" in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain)
                value="${value#"$prefix"}"
                # What a name contains must never be taken by the shell as its own.
                [[ $value == *[!A-Za-z0-9_.,=:/@%%+-]* ]] && printf -v value %%q "$value"
                COMPREPLY+=("$value")
                ;;
        esac
        case "$value" in
            *=) compopt -o nospace 2>/dev/null ;;
        esac
    done < <(env COMP_WORDS="$current" %(complete_var)s=bash_complete %(prog_name)s)
}
complete -o nosort -F %(complete_func)s %(prog_name)s
"""


class BashLine(ShellComplete):
    """Bash, by the text of the line up to the cursor."""

    name = "bash"
    source_template = _BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """Split the line into the words before the cursor's and the cursor's own."""
        import os

        line = os.environ.get("COMP_WORDS", "")
        words = split_arg_string(line)
        incomplete = "" if not line or line[-1].isspace() else words.pop() if words else ""
        return words[1:], incomplete

    def format_completion(self, item: CompletionItem) -> str:
        """Write an item as the script reads it."""
        return f"{item.type},{item.value}"


def register() -> None:
    """Let click answer our bash script; its zsh and fish ones are used as they are."""
    add_completion_class(BashLine)


def script(shell: str) -> str:
    """Return the script of a shell."""
    kinds: dict[str, type[ShellComplete]] = {"bash": BashLine, "zsh": ZshComplete, "fish": FishComplete}
    return kinds[shell](None, {}, PROGRAM, VARIABLE).source()  # type: ignore[arg-type]  # the script does not read the command
