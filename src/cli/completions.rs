//! Completion scripts for bash, zsh and fish, made from the tree of commands.

use super::args::Shell;
use super::tree::{COMMON, ROOT};
use super::words::{Spec, Value, Word};

/// The script of a shell. zsh runs the bash one by its own compatibility layer.
pub fn script(shell: Shell) -> String {
    match shell {
        Shell::Bash => bash(),
        Shell::Zsh => format!(
            "#compdef pinion\nautoload -Uz bashcompinit && bashcompinit\n{}",
            bash()
        ),
        Shell::Fish => fish(),
    }
}

fn fish() -> String {
    let quoted = |text: &str| text.replace('\\', "\\\\").replace('\'', "\\'");
    let mut script = String::from("complete -c pinion -f\n");
    let mut add = |when: &str, what: String, about: &str| {
        let about = quoted(about);
        script.push_str(&format!("complete -c pinion -n '{when}' {what} -d '{about}'\n"));
    };
    for word in shown(&ROOT) {
        add("__fish_use_subcommand", option_of_fish(word), word.about);
    }
    for command in ROOT.inner {
        add(
            "__fish_use_subcommand",
            format!("-a {}", command.name),
            command.about,
        );
        let labels: Vec<&str> = [command.name].iter().chain(command.aliases).copied().collect();
        let when = format!("__fish_seen_subcommand_from {}", labels.join(" "));
        for word in shown(command) {
            add(&when, option_of_fish(word), word.about);
        }
        for inner in command.inner {
            add(&when, format!("-a {}", inner.name), inner.about);
        }
        for word in command.places() {
            let offered = match (word.value, word.name) {
                (Value::OneOf(values), _) => format!("-a '{}'", values.join(" ")),
                (_, "FILE" | "DIR" | "OUT") => String::from("-F"),
                (_, name) => match listing(name) {
                    Some((list, columns)) => {
                        let list = format!("(pinion {list} 2>/dev/null | awk 'NR > 1 {{{columns}}}')");
                        format!("-a '{}'", quoted(&list))
                    }
                    None => continue,
                },
            };
            add(&when, offered, word.name);
        }
    }
    script
}

fn option_of_fish(word: &Word) -> String {
    let value = match word.value {
        Value::None => String::new(),
        Value::OneOf(values) => format!(" -x -a '{}'", values.join(" ")),
        Value::Path => String::from(" -r -F"),
        Value::Text | Value::Number => String::from(" -x"),
    };
    format!("-l {}{value}", word.name.trim_start_matches('-'))
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
            .find_map(|word| source(word.name))
            .unwrap_or_default();
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

fn shown(command: &Spec) -> impl Iterator<Item = &'static Word> + use<> {
    let ours = command.takes.iter().chain(COMMON);
    ours.filter(|word: &&Word| word.is_option() && !word.hidden)
}

fn options(command: &Spec) -> Vec<&'static str> {
    shown(command).map(|word| word.name).chain(["--help"]).collect()
}

/// Which of the agent's own lists has what an argument takes, and what awk prints of its rows.
fn listing(value_name: &str) -> Option<(&'static str, &'static str)> {
    Some(match value_name {
        "SNAP" => ("list", "print $1"),
        "SNAP|SNAP.APP" => ("services", "print $1"),
        "LINE" => ("line", "print $1"),
        "LED" => ("led", "print $1"),
        "ID" => ("changes", "print $1"),
        "SNAP:PLUG" | "SNAP:NAME" => (
            "connections --all",
            "for (i = 2; i < 4; i++) if ($i != \"-\") print $i",
        ),
        "INTERFACE" => ("interface --all", "print $1"),
        _ => return None,
    })
}

/// Where bash finds the names that an argument takes: files, or the agent's own lists.
fn source(value_name: &str) -> Option<String> {
    if matches!(value_name, "FILE" | "DIR" | "OUT") {
        return Some(String::from("; files=1"));
    }
    let (list, columns) = listing(value_name)?;
    Some(format!(
        "\" $(\"${{agent[@]}}\" {list} 2>/dev/null | awk 'NR > 1 {{{columns}}}')\""
    ))
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

    #[test]
    fn fish_is_told_of_every_command_and_option() {
        let script = script(Shell::Fish);
        for command in ROOT.inner {
            let line = format!(
                "complete -c pinion -n '__fish_use_subcommand' -a {} -d '",
                command.name
            );
            assert!(script.contains(&line), "{line}");
        }
        for line in [
            "complete -c pinion -n '__fish_seen_subcommand_from install' -l dangerous -d '",
            "complete -c pinion -n '__fish_seen_subcommand_from install' -F -d 'FILE'",
            "complete -c pinion -n '__fish_seen_subcommand_from completions' -a 'bash zsh fish' -d 'SHELL'",
            "complete -c pinion -n '__fish_seen_subcommand_from enable' -a '(pinion list 2>/dev/null | awk \\'NR > 1 {print $1}\\')' -d 'SNAP'",
            "complete -c pinion -n '__fish_use_subcommand' -l socket -r -F -d '",
        ] {
            assert!(script.contains(line), "no {line} in\n{script}");
        }
        // A quote in a description would end it.
        for line in script.lines() {
            let open = line.replace("\\\\", "").replace("\\'", "").matches('\'').count();
            assert_eq!(open % 2, 0, "{line}");
        }
    }
}
