//! `pinion demo`: everything that the agent is for, once, on a simulated board.
//!
//! A real daemon on a temporary root, real snaps packed and sideloaded over its socket, a real connect, and a picture
//! that is drawn from the events stream only: when the snap's service stops, the picture stands still.

mod stage;

use super::board::{Board, Moved, STREAM};
use super::live::Live;
use super::session::{Failure, Outcome, Session};
use super::terminal::{self, Style};
use super::time;
use crate::client::{Events, Upload};
use serde_json::{Value, json};
use stage::Stage;
use std::time::{Duration, Instant};
use tokio::signal::unix::{Signal, SignalKind, signal};

/// How long the picture is shown.
const SHOWN: Duration = Duration::from_secs(12);

/// The demo is over by then, whatever happens, so that with the cleaning it ends within 30 s.
const LIMIT: Duration = Duration::from_secs(25);

const PLUG: (&str, &str) = ("keyboard-lights", "capslock-led");
const SLOT: (&str, &str) = ("pi", "pin-13");

pub async fn run(session: &Session, stay: bool) -> Outcome {
    let mut stop = Stop::new()?;
    let mut stage = Stage::new()?;
    let outcome = tokio::select! {
        outcome = show(session, &mut stage, stay) => outcome,
        () = stop.asked() => Ok(()),
        () = tokio::time::sleep(LIMIT), if !stay => Err(Failure::new("the demo took too long and was ended")),
    };
    let cleared = stage.clear().await;
    outcome?;
    cleared?;
    session.say("The daemon is stopped and its directory removed.")
}

/// The whole play.
async fn show(session: &Session, stage: &mut Stage, stay: bool) -> Outcome {
    let step = |text: String| session.say(format_args!(" {} {text}", check_mark()));
    session.say(format_args!(
        "A board in a box: nothing outside {} is touched.\n",
        stage.root().display()
    ))?;

    let begun = Instant::now();
    stage.start_daemon().await?;
    step(format!(
        "daemon on a simulated board, ready in {} ms",
        begun.elapsed().as_millis()
    ))?;
    // From here on, what happens to the hardware is known from this stream.
    let mut events = stage.client().events(STREAM).await?;
    let board = Board::first_of(&mut events).await?;

    for name in ["bare", "pi", "keyboard-lights"] {
        let file = stage.pack(name).await?;
        let form = Upload::new()
            .field("action", "install")
            .field("snap-path", &file.to_string_lossy())
            .field("dangerous", "true")
            .file("snap", &file);
        let change = stage.client().upload("/v2/snaps", form).await?.change()?;
        stage.finish(&change).await?;
        step(format!("packed and installed {}", describe(name)))?;
    }

    let body = json!({
        "action": "connect",
        "plugs": [{"snap": PLUG.0, "plug": PLUG.1}],
        "slots": [{"snap": SLOT.0, "slot": SLOT.1}],
    });
    let change = stage.client().post("/v2/interfaces", &body).await?.change()?;
    stage.finish(&change).await?;
    step(format!(
        "connected {}:{} to {}:{}\n",
        PLUG.0, PLUG.1, SLOT.0, SLOT.1
    ))?;

    if stay {
        session.say(format_args!(
            "It stays until Ctrl-C, with the socket {}\nIn another terminal:\n{}",
            stage.client().socket().display(),
            stage.suggestions(&stage.root().display().to_string())
        ))?;
    }
    let picture = Picture {
        board,
        events,
        until: (!stay).then(|| Instant::now() + SHOWN),
    };
    picture.play(session).await?;
    if stay {
        return Ok(());
    }
    session.say(format_args!(
        "\nWhat to try next: keep it with `{} demo --stay`, and in another terminal, with the ROOT that it tells:\n{}",
        stage.program(),
        stage.suggestions("ROOT")
    ))
}

fn describe(name: &str) -> &str {
    match name {
        "bare" => "bare, the base that the other one runs on",
        "pi" => "pi, the gadget that brings the board's slots",
        _ => "keyboard-lights, a service with one plug",
    }
}

fn check_mark() -> &'static str {
    if Style::of_terminal().unicode { "✓" } else { "*" }
}

/// What is looked at until the end.
struct Picture {
    board: Board,
    events: Events,
    until: Option<Instant>,
}

impl Picture {
    /// Draws what the events tell, or prints them where there is no terminal.
    async fn play(mut self, session: &Session) -> Outcome {
        let style = Style::of_terminal();
        let mut live = terminal::is_live_stdout().then(Live::default);
        let mut count = 0_u64;
        let mut last = String::from(" nothing has moved yet");
        loop {
            if let Some(live) = &mut live {
                let mut rows = self.board.picture(style);
                rows.push(format!("{last}{}", self.remaining()));
                live.draw(&rows)?;
            }
            let event = tokio::select! {
                event = self.events.next() => event?,
                () = next_second(self.until) => {
                    if self.until.is_some_and(|until| Instant::now() >= until) {
                        return Ok(());
                    }
                    continue;
                }
            };
            let Some(event) = event else {
                return Err(Failure::new("the daemon ended the stream of events"));
            };
            let Some(moved) = self.board.apply(&event) else {
                continue;
            };
            count += 1;
            last = told(&event, &moved, count);
            if live.is_none() {
                session.say(&last)?;
            }
        }
    }

    fn remaining(&self) -> String {
        self.until.map_or(String::new(), |until| {
            let left = until
                .saturating_duration_since(Instant::now())
                .as_secs_f32()
                .ceil();
            format!(" - {left} s left")
        })
    }
}

/// What moved, in one line.
fn told(event: &Value, moved: &Moved, count: u64) -> String {
    let at = time::of_day(event.get("time").and_then(Value::as_str).unwrap_or_default());
    let what = if moved.is_led { "LED" } else { "line" };
    format!(" {at}  {what} {} is {}  (event {count})", moved.name, moved.value)
}

/// The next moment at which the clock on the screen moves; never, when there is none.
async fn next_second(until: Option<Instant>) {
    match until {
        None => std::future::pending().await,
        Some(until) => {
            let left = until.saturating_duration_since(Instant::now());
            let part = Duration::from_nanos(u64::from(left.subsec_nanos()));
            tokio::time::sleep(if part.is_zero() {
                left.min(Duration::from_secs(1))
            } else {
                part
            })
            .await;
        }
    }
}

/// The ways to ask a program to end.
struct Stop {
    signals: [Signal; 3],
}

impl Stop {
    fn new() -> Result<Self, Failure> {
        let listen =
            |kind| signal(kind).map_err(|error| Failure::new(format!("cannot watch signals: {error}")));
        Ok(Self {
            signals: [
                listen(SignalKind::interrupt())?,
                listen(SignalKind::terminate())?,
                listen(SignalKind::hangup())?,
            ],
        })
    }

    async fn asked(&mut self) {
        let [interrupt, terminate, hangup] = &mut self.signals;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
    }
}
