//! The commands that there are, and how they are used.

/// One command.
pub(super) struct Command {
    pub name: &'static str,
    /// Users other than root may use it.
    pub for_all: bool,
    /// It stands in the list that an unknown command is answered with; those of ours do not, nor does what the
    /// contract's tool hides.
    pub listed: bool,
    /// Its switches, as [`super::Flags::read`] takes them.
    pub flags: &'static [&'static str],
    pub usage: &'static str,
}

const fn root(name: &'static str, flags: &'static [&'static str], usage: &'static str) -> Command {
    Command {
        name,
        for_all: false,
        listed: true,
        flags,
        usage,
    }
}

const fn open(name: &'static str, flags: &'static [&'static str], usage: &'static str) -> Command {
    Command {
        for_all: true,
        ..root(name, flags, usage)
    }
}

const fn unlisted(command: Command) -> Command {
    Command {
        listed: false,
        ..command
    }
}

/// Every command, sorted.
pub(super) static COMMANDS: [Command; 21] = [
    unlisted(open(
        "events",
        &[],
        "events [PLUG]\n\nPrint what happens at the hardware that is connected to the snap's plugs.\n",
    )),
    root(
        "fde-setup-request",
        &[],
        "fde-setup-request\n\nFor the fde-setup hook of a kernel only.\n",
    ),
    root(
        "fde-setup-result",
        &[],
        "fde-setup-result\n\nFor the fde-setup hook of a kernel only.\n",
    ),
    open(
        "get",
        &["d", "t", "slot", "plug"],
        "get [-d] [-t] KEY...\nget [--plug|--slot] :PLUG|:SLOT ATTRIBUTE...\n\nPrint configuration of the snap, or attributes of the connection that an interface hook is about.\n",
    ),
    open(
        "is-connected",
        &["pid=", "apparmor-label="],
        "is-connected [--pid PID] PLUG|SLOT\n\nEnd with 0 if the plug or slot is connected, else with 1.\n",
    ),
    root(
        "kmod",
        &[],
        "kmod insert|remove MODULE [OPTION...]\n\nLoad or unload a kernel module.\n",
    ),
    unlisted(open(
        "led",
        &[],
        "led NAME [on|off|BRIGHTNESS|blink [ON-MS OFF-MS]]\n\nShow or light a connected LED, by its plug or its own name.\n",
    )),
    unlisted(open(
        "line",
        &[],
        "line NAME [0|1|watch]\n\nShow, set or watch a connected line, by its plug or its own name.\n",
    )),
    open(
        "model",
        &["json", "assertion"],
        "model [--assertion] [--json]\n\nPrint the model of the device.\n",
    ),
    root(
        "mount",
        &["persistent", "t=", "o="],
        "mount [--persistent] [-t TYPE] [-o OPTIONS] WHAT WHERE\n\nMount a file system by a mount-control plug.\n",
    ),
    root(
        "reboot",
        &["halt", "poweroff"],
        "reboot [--halt|--poweroff]\n\nFor the install-device hook of a gadget only.\n",
    ),
    unlisted(root(
        "refresh",
        &["pending", "hold", "proceed", "show-lock"],
        "refresh [--pending] [--hold|--proceed] [--show-lock]\n\nAsk for, hold back or go on with refreshes of the snap.\n",
    )),
    root(
        "restart",
        &["reload"],
        "restart [--reload] SERVICE...\n\nRestart services of the snap.\n",
    ),
    open(
        "services",
        &[],
        "services [SERVICE...]\n\nList services of the snap.\n",
    ),
    root(
        "set",
        &["s", "t", "slot", "plug"],
        "set [-s] [-t] KEY=VALUE... [KEY!...]\nset :PLUG|:SLOT ATTRIBUTE=VALUE...\n\nSet configuration of the snap, or in a prepare hook attributes of its end.\n",
    ),
    open(
        "set-health",
        &["code="],
        "set-health [--code CODE] okay|waiting|blocked|error [MESSAGE]\n\nTell how the snap is.\n",
    ),
    root(
        "start",
        &["enable"],
        "start [--enable] SERVICE...\n\nStart services of the snap.\n",
    ),
    root(
        "stop",
        &["disable"],
        "stop [--disable] SERVICE...\n\nStop services of the snap.\n",
    ),
    open(
        "system-mode",
        &[],
        "system-mode\n\nPrint the mode that the system runs in.\n",
    ),
    root(
        "umount",
        &[],
        "umount WHERE\n\nUnmount what the snap has mounted.\n",
    ),
    root(
        "unset",
        &[],
        "unset KEY...\n\nTake configuration of the snap away.\n",
    ),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_of_the_contract() {
        // contract: confinement, section 7, the answer to an unknown command and the rule of users
        let listed: Vec<&str> = COMMANDS
            .iter()
            .filter(|command| command.listed)
            .map(|command| command.name)
            .collect();
        assert_eq!(
            listed.join(" "),
            "fde-setup-request fde-setup-result get is-connected kmod model mount reboot restart services set set-health start stop system-mode umount unset"
        );
        let open: Vec<&str> = COMMANDS
            .iter()
            .filter(|command| command.listed && command.for_all)
            .map(|command| command.name)
            .collect();
        assert_eq!(
            open,
            [
                "get",
                "is-connected",
                "model",
                "services",
                "set-health",
                "system-mode"
            ]
        );
        assert!(COMMANDS.windows(2).all(|two| two[0].name < two[1].name));
    }
}
