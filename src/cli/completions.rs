//! Completion scripts for bash and zsh, made from the tree of commands.

use super::args::Shell;
use super::tree::{COMMON, ROOT};
use super::words::{Spec, Value, Word};

/// The script of a shell. zsh runs the bash one by its own compatibility layer.
pub fn script(shell: Shell) -> String {
    let bash = bash();
    match shell {
        Shell::Bash => bash,
        Shell::Zsh => format!("#compdef pinion\nautoload -Uz bashcompinit && bashcompinit\n{bash}"),
    }
}

fn bash() -> String {
    let names: Vec<&str> = ROOT.inner.iter().map(|command| command.name).collect();
    let mut cases = String::new();
    for command in ROOT.inner {
        let mut words = options(command);
        let values = command.places().filter_map(|word| match word.value {
            Value::OneOf(values) => Some(values),
            _ => None,
        });
        words.extend(values.flatten());
        words.extend(command.inner.iter().map(|inner| inner.name));
        let extra = command
            .places()
            .filter_map(|word| source(word.name))
            .next()
            .unwrap_or("");
        let mut labels: Vec<&str> = vec![command.name];
        labels.extend(command.aliases);
        cases.push_str(&format!(
            "    {})\n      words=\"{}\"{extra} ;;\n",
            labels.join("|"),
            words.join(" ")
        ));
    }
    format!(
        "_pinion() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} command= words= files= i
  local -a agent=(pinion)
  for ((i = 1; i < COMP_CWORD; i++)); do
    case ${{COMP_WORDS[i]}} in
    --socket | --root) agent+=(\"${{COMP_WORDS[i]}}\" \"${{COMP_WORDS[i + 1]}}\"); ((i++)) ;;
    -*) ;;
    *) command=${{COMP_WORDS[i]}}; break ;;
    esac
  done
  case $command in
    '')
      words=\"{} {}\" ;;
{cases}  esac
  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))
  if [ -n \"$files\" ]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi
}}
complete -o filenames -F _pinion pinion
",
        names.join(" "),
        options(&ROOT).join(" ")
    )
}

fn options(command: &Spec) -> Vec<&'static str> {
    let ours = command.takes.iter().chain(COMMON);
    let shown = ours.filter(|word: &&Word| word.is_option() && !word.hidden);
    shown.map(|word| word.name).chain(["--help"]).collect()
}

/// Where the names that an argument takes come from: files, or the agent's own lists.
fn source(value_name: &str) -> Option<&'static str> {
    match value_name {
        "FILE" | "DIR" | "OUT" => Some("; files=1"),
        "SNAP" => Some("\" $(\"${agent[@]}\" list 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        "SNAP|SNAP.APP" => Some("\" $(\"${agent[@]}\" services 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        "LINE" => Some("\" $(\"${agent[@]}\" line 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        "LED" => Some("\" $(\"${agent[@]}\" led 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        "ID" => Some("\" $(\"${agent[@]}\" changes 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        "SNAP:PLUG" | "SNAP:NAME" => Some(
            "\" $(\"${agent[@]}\" connections --all 2>/dev/null | awk 'NR > 1 {print $2; print $3}' | grep -v '^-$')\"",
        ),
        "INTERFACE" => Some("\" $(\"${agent[@]}\" interface --all 2>/dev/null | awk 'NR > 1 {print $1}')\""),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command as Process;

    /// Asks bash itself what it would offer.
    fn offered(words: &[&str]) -> String {
        let script = format!(
            "{}\nCOMP_WORDS=({}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); _pinion; echo \"${{COMPREPLY[@]}}\"",
            script(Shell::Bash),
            words
                .iter()
                .map(|word| format!("'{word}'"))
                .collect::<Vec<_>>()
                .join(" ")
        );
        let output = Process::new("bash").arg("-c").arg(script).output().expect("bash");
        assert!(
            output.status.success(),
            "{}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    #[test]
    fn bash_offers_commands_and_options() {
        assert_eq!(offered(&["pinion", "conn"]), "connections connect");
        assert_eq!(offered(&["pinion", "install", "--dan"]), "--dangerous");
        assert_eq!(offered(&["pinion", "--root", "/x", "completions", "z"]), "zsh");
        assert_eq!(offered(&["pinion", "sim", "l"]), "line");
    }
}
