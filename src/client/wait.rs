//! Waiting for a change: polled like `snap` does, through restarts of the agent.

use super::types::Change;
use super::{Client, ClientError, escaped};
use std::time::{Duration, Instant};

/// The pause between two looks at a change.
pub const POLL: Duration = Duration::from_millis(100);

/// How long a silent agent is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// A change that is being followed.
#[derive(Debug)]
pub struct Followed<'a> {
    client: &'a Client,
    id: String,
    /// The first look is taken at once.
    looked: bool,
    silent_since: Option<Instant>,
}

impl Client {
    /// Follows a change.
    pub fn follow(&self, id: &str) -> Followed<'_> {
        Followed {
            client: self,
            id: id.to_owned(),
            looked: false,
            silent_since: None,
        }
    }

    /// One look at a change.
    pub async fn change(&self, id: &str) -> Result<Change, ClientError> {
        self.read(&format!("/v2/changes/{}", escaped(id))).await
    }

    /// Asks for a change to be taken back; answers how it stands.
    pub async fn abort(&self, id: &str) -> Result<Change, ClientError> {
        let path = format!("/v2/changes/{}", escaped(id));
        self.post(&path, &serde_json::json!({"action": "abort"}))
            .await?
            .parse()
    }

    /// Waits until a change is ready.
    pub async fn wait(&self, id: &str) -> Result<Change, ClientError> {
        let mut followed = self.follow(id);
        loop {
            let change = followed.next().await?;
            if change.ready {
                return Ok(change);
            }
        }
    }
}

impl Followed<'_> {
    /// The next look. May be dropped at any await: nothing is lost.
    pub async fn next(&mut self) -> Result<Change, ClientError> {
        loop {
            if self.looked {
                tokio::time::sleep(POLL).await;
            }
            let path = format!("/v2/changes/{}", escaped(&self.id));
            let outcome = self.client.get_once(&path).await;
            self.looked = true;
            match outcome {
                Err(error) if error.is_absence() => {
                    let since = *self.silent_since.get_or_insert_with(Instant::now);
                    if since.elapsed() >= PATIENCE {
                        return Err(error);
                    }
                }
                outcome => {
                    self.silent_since = None;
                    return outcome?.parse();
                }
            }
        }
    }
}
