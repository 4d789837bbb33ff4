//! Cookies: by them a snap's processes are known on the snap socket (decision 2). A snap's own is kept with the snap
//! and in a file for the launcher; a hook gets one of its own that ends with it.

use super::Settings;
use crate::domain::{Dirs, Fault, SnapName};
use crate::drivers::{fs, random};
use crate::store::World;
use std::path::PathBuf;

fn file(dirs: &Dirs, snap: &SnapName) -> PathBuf {
    dirs.cookies().join(format!("snap.{snap}"))
}

/// A new cookie: 33 random bytes as 44 characters.
pub(super) fn new() -> Result<String, Fault> {
    let bytes: [u8; 33] =
        random::bytes().map_err(|error| Fault::internal(format!("cannot read random bytes: {error}")))?;
    Ok(base64url(&bytes))
}

/// Base64 of the URL alphabet; the length must be a multiple of three.
fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    bytes
        .chunks_exact(3)
        .flat_map(|three| {
            let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
            [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
        })
        .collect()
}

impl Settings {
    /// The cookie of a snap, with its file: the one that it has, or a new one. The caller commits it
    /// (`Tx::put_cookie`). The file needs no syncs: every start makes it equal to the store before anything reads it.
    pub(super) fn prepare_cookie(&self, world: &World, snap: &SnapName) -> Result<String, Fault> {
        let known = world
            .cookies
            .iter()
            .find(|(_, owner)| *owner == snap)
            .map(|(cookie, _)| cookie.clone());
        let cookie = known.map_or_else(new, Ok)?;
        let path = file(&self.dirs, snap);
        if std::fs::read_to_string(&path).is_ok_and(|kept| kept == cookie) {
            return Ok(cookie);
        }
        fs::make_dir(&self.dirs.cookies(), 0o700)
            .and_then(|()| fs::write_volatile(&path, cookie.as_bytes(), 0o600))
            .map_err(|error| Fault::internal(error.in_full()))?;
        Ok(cookie)
    }

    /// Forgets what is kept outside the store for a snap that is not installed any more.
    pub(super) fn forget(&self, world: &World, snap: &SnapName) {
        if world.snap(snap.as_str()).is_some()
            || world.change_in_progress(std::slice::from_ref(snap)).is_some()
        {
            return;
        }
        if let Err(error) = fs::remove_file(&file(&self.dirs, snap)) {
            log::warn!("{}", error.in_full());
        }
        if let Err(fault) = self.services.forget(snap) {
            log::warn!("{fault}");
        }
    }

    /// Makes the files of cookies equal to the store at start. A snap without a cookie gets one with its next hook.
    pub fn reconcile(&self, world: &World) {
        for snap in world.cookies.values() {
            if let Err(fault) = self.prepare_cookie(world, snap) {
                log::error!("the cookie of snap {snap} cannot be kept: {fault}");
            }
        }
        for entry in std::fs::read_dir(self.dirs.cookies())
            .into_iter()
            .flatten()
            .flatten()
        {
            let name = entry.file_name();
            let snap = name.to_str().and_then(|name| name.strip_prefix("snap."));
            if snap.is_none_or(|snap| world.cookies.values().all(|owner| owner != snap))
                && let Err(error) = fs::remove_file(&entry.path())
            {
                log::warn!("{}", error.in_full());
            }
        }
    }

    /// The snap that a cookie was given to: for good, or for a hook that runs now.
    pub fn cookie_owner(&self, cookie: &str) -> Option<SnapName> {
        if cookie.is_empty() {
            return None;
        }
        let of_hook = self.context(cookie).map(|context| context.snap.clone());
        of_hook.or_else(|| self.store.world().cookies.get(cookie).cloned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_differ_and_have_the_contracts_form() {
        let (one, two) = (new().expect("random"), new().expect("random"));
        assert_ne!(one, two);
        assert_eq!(one.len(), 44);
        assert!(
            one.bytes()
                .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        );
        assert_eq!(base64url(b"\xff\xff\xff\x00\x00\x01"), "____AAAB");
    }
}
