//! `snapctl`: what a snap's own processes ask the agent for (contract: confinement, section 7). The agent does the
//! work; only a stream of events is read here.

use super::commands::hardware::event_text;
use crate::client::{Client, ClientError};
use crate::domain::Dirs;
use serde_json::{Value, json};
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

/// Where the launcher says that the snap socket is, when it is not in its usual place.
const SOCKET: &str = "PINION_SNAP_SOCKET";

/// Runs `snapctl ARGS…`.
pub fn run(args: &[OsString]) -> ExitCode {
    let args: Vec<String> = args
        .iter()
        .map(|arg| arg.to_string_lossy().into_owned())
        .collect();
    if args.is_empty() {
        return told(&Told::failure(String::from(
            "error: snapctl cannot run without args\n",
        )));
    }
    // A wrong SNAP_COOKIE is not rescued by a right SNAP_CONTEXT (contract: confinement, section 7).
    let cookie = env::var("SNAP_COOKIE")
        .or_else(|_| env::var("SNAP_CONTEXT"))
        .unwrap_or_default();
    let socket = env::var_os(SOCKET).map_or_else(|| Dirs::new("/").snap_socket(), Into::into);
    let client = Client::new(socket).with_context(&cookie);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => return told(&Told::failure(format!("error: cannot start: {error}\n"))),
    };
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let asks_for_help = words.iter().any(|word| ["-h", "--help"].contains(word));
    told(&runtime.block_on(async {
        match words.as_slice() {
            _ if asks_for_help => ask(&client, &cookie, &args).await,
            ["events", rest @ ..] => follow(&client, rest.first().copied()).await,
            ["line", plug, "watch"] => follow(&client, Some(plug)).await,
            _ => ask(&client, &cookie, &args).await,
        }
    }))
}

/// What a command printed and how it ended.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    stdout: String,
    stderr: String,
    code: u8,
}

impl Told {
    fn failure(stderr: String) -> Self {
        Self {
            stdout: String::new(),
            stderr,
            code: 1,
        }
    }
}

fn told(told: &Told) -> ExitCode {
    // A reader that is gone needs nothing.
    let _ = io::stdout().write_all(told.stdout.as_bytes());
    let _ = io::stderr().write_all(told.stderr.as_bytes());
    ExitCode::from(told.code)
}

async fn ask(client: &Client, cookie: &str, args: &[String]) -> Told {
    let body = json!({"context-id": cookie, "args": args});
    match client.post("/v2/snapctl", &body).await {
        Ok(answer) => outcome(&answer.result, 0),
        Err(error) => refused(&error),
    }
}

/// The outputs and the exit code of an answer.
fn outcome(result: &Value, code: u8) -> Told {
    let text = |key: &str| {
        result
            .get(key)
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let code = result
        .get("exit-code")
        .and_then(Value::as_u64)
        .map_or(code, |code| u8::try_from(code).unwrap_or(1));
    Told {
        stdout: text("stdout"),
        stderr: text("stderr"),
        code,
    }
}

/// A refusal in the words that scripts know.
fn refused(error: &ClientError) -> Told {
    match error.refusal() {
        Some(refusal) if refusal.kind == "unsuccessful" => outcome(&refusal.value, 1),
        Some(refusal) if refusal.status == 403 && refusal.message.starts_with("cannot use ") => {
            Told::failure(format!("error: {}\n", refusal.message))
        }
        Some(refusal) => Told::failure(format!("error: error running snapctl: {}\n", refusal.message)),
        None => Told::failure(format!("error: cannot communicate with server: {error}\n")),
    }
}

/// Prints the events of the snap's own hardware, of one plug or of all, until it is ended.
async fn follow(client: &Client, plug: Option<&str>) -> Told {
    let mut events = match client.events("/v2/hardware/events").await {
        Ok(events) => events,
        Err(error) => return refused(&error),
    };
    loop {
        match events.next().await {
            Err(error) => return refused(&error),
            Ok(None) => return Told::failure(String::from("error: the agent ended the stream\n")),
            Ok(Some(event)) => {
                let of_plug = event["data"]["plug"]["plug"].as_str();
                if plug.is_some_and(|plug| of_plug != Some(plug)) {
                    continue;
                }
                let mut out = io::stdout().lock();
                if writeln!(out, "{}", event_text(&event))
                    .and_then(|()| out.flush())
                    .is_err()
                {
                    return Told::default();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Refusal;

    fn refusal(status: u16, message: &str, kind: &str, value: Value) -> ClientError {
        ClientError::Refused(Refusal {
            status,
            message: message.to_owned(),
            kind: kind.to_owned(),
            value,
        })
    }

    #[test]
    fn refusals_in_the_words_of_the_contract() {
        // contract: confinement, section 7
        let bad = refusal(
            400,
            "cannot invoke snapctl operation commands (here \"get\") from outside of a snap",
            "",
            Value::Null,
        );
        assert_eq!(
            refused(&bad).stderr,
            "error: error running snapctl: cannot invoke snapctl operation commands (here \"get\") from outside of a snap\n"
        );
        let uid = refusal(
            403,
            "cannot use \"set\" with uid 1000, try with sudo",
            "login-required",
            Value::Null,
        );
        assert_eq!(
            refused(&uid),
            Told::failure(String::from(
                "error: cannot use \"set\" with uid 1000, try with sudo\n"
            ))
        );
        let no = refusal(
            200,
            "no",
            "unsuccessful",
            json!({"stdout": "", "stderr": "", "exit-code": 1}),
        );
        assert_eq!(
            refused(&no),
            Told {
                code: 1,
                ..Told::default()
            }
        );
    }
}
