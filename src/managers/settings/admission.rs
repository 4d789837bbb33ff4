//! A process of an ordinary user becomes one of the snap whose app it is about to be (decision 2; the launcher asks,
//! see `confine`).

use super::Settings;
use crate::confine::group_of_person;
use crate::domain::{ErrorKind, Fault, SnapName, work};
use std::io::Write;

/// The app of `SNAP.APP`, or of `SNAP` when both have one name.
fn named(text: &str) -> (&str, &str) {
    text.split_once('.').unwrap_or((text, text))
}

impl Settings {
    /// Moves a process to the group of an app and answers the cookie of its snap. `lives_in` is the snap in whose group
    /// the process is already: one of another snap stays what it is.
    ///
    /// # Errors
    /// `AppNotFound`; `Forbidden` for a process of another snap, and where processes are not told apart by groups: a
    /// cookie alone would be a proof there.
    pub async fn admit(&self, pid: i32, lives_in: Option<SnapName>, app: &str) -> Result<String, Fault> {
        let (snap, app) = named(app);
        let world = self.store.world();
        let record = world.snap(snap).filter(|record| record.active);
        let found = record.and_then(|record| Some((record, record.info()?.apps.get(app)?)));
        let (name, tag) = match found {
            Some((record, app)) => (record.name.clone(), group_of_person(&record.name, app)),
            None => {
                return Err(Fault::new(
                    ErrorKind::AppNotFound,
                    format!("snap {snap:?} has no app {app:?} that could be run"),
                ));
            }
        };
        let forbidden = |text: String| Fault::new(ErrorKind::Forbidden, text);
        if let Some(other) = lives_in.filter(|other| *other != name) {
            return Err(forbidden(format!(
                "a process of snap {:?} cannot become one of snap {snap:?}",
                other.as_str()
            )));
        }
        let tree = self.services.groups().cloned().ok_or_else(|| {
            forbidden(String::from(
                "processes of snaps have no control groups here: only the agent's own user can be known as a snap's",
            ))
        })?;
        let moved = work::blocking(move || {
            let mut entry = tree.group(&tag)?.entry()?;
            entry.write_all(pid.to_string().as_bytes())
        });
        match moved.await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(Fault::internal(format!("cannot track process {pid}: {error}"))),
            Err(_) => {
                return Err(Fault::internal(
                    "the agent failed over it; its journal has the reason",
                ));
            }
        }
        let cookie = self.prepare_cookie(&world, &name)?;
        if !world.cookies.contains_key(&cookie) {
            let kept = cookie.clone();
            let committed = self.store.commit_async(move |tx| tx.put_cookie(&kept, &name));
            committed
                .await
                .map_err(|error| Fault::internal(error.to_string()))?;
        }
        Ok(cookie)
    }
}
