//! Cookies: by them a snap's processes are known on the snap socket (decision 2). A snap's own is kept with the snap
//! and in a file for the launcher; a hook gets one of its own that ends with it.

use super::Settings;
use crate::domain::{Dirs, Fault, SnapName};
use crate::drivers::fs;
use crate::store::World;
use std::fs::File;
use std::io::Read;
use std::path::PathBuf;

fn file(dirs: &Dirs, snap: &SnapName) -> PathBuf {
    dirs.cookies().join(format!("snap.{snap}"))
}

/// A new cookie: 33 random bytes as 44 characters.
pub(super) fn new() -> Result<String, Fault> {
    let mut bytes = [0; 33];
    File::open("/dev/urandom")
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|error| Fault::internal(format!("cannot read random bytes: {error}")))?;
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
    /// The cookie of a snap that is being installed, with its file; the one that it has, if it has one. The caller
    /// commits it (`Tx::put_cookie`) with the snap's record.
    pub fn prepare_cookie(&self, world: &World, snap: &SnapName) -> Result<String, Fault> {
        let known = world
            .cookies
            .iter()
            .find(|(_, owner)| *owner == snap)
            .map(|(cookie, _)| cookie.clone());
        let cookie = known.map_or_else(new, Ok)?;
        fs::make_dir(&self.dirs.cookies(), 0o700)
            .and_then(|()| fs::write_atomic(&file(&self.dirs, snap), cookie.as_bytes(), 0o600))
            .map_err(|error| Fault::internal(error.in_full()))?;
        Ok(cookie)
    }

    /// Takes the file of a removed snap's cookie away. The caller commits `Tx::delete_cookies`.
    pub fn forget_cookie(&self, snap: &SnapName) -> Result<(), Fault> {
        fs::remove_file(&file(&self.dirs, snap)).map_err(|error| Fault::internal(error.in_full()))
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
