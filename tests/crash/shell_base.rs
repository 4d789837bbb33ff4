//! A base with programs of this machine and the libraries that they say they need, as a folder.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fills a folder; the first of the programs is the shell. `also` stays where it is: only its libraries come along.
pub fn fill(root: &Path, programs: &[&str], also: &Path) {
    for folder in [
        "meta",
        "dev",
        "etc",
        "proc",
        "sys",
        "tmp",
        "run",
        "usr/bin",
        "usr/lib",
        "usr/lib64",
    ] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    for name in ["bin", "lib", "lib64"] {
        symlink(format!("usr/{name}"), root.join(name)).expect("a link");
    }
    let programs: Vec<PathBuf> = programs
        .iter()
        .map(|name| Path::new("/usr/bin").join(name))
        .collect();
    let mut files = programs.clone();
    for program in programs.iter().map(PathBuf::as_path).chain([also]) {
        let said = Command::new("ldd").arg(program).output().expect("ldd runs");
        let said = String::from_utf8_lossy(&said.stdout).into_owned();
        let words = said.split_whitespace().filter(|word| word.starts_with('/'));
        files.extend(words.map(PathBuf::from));
    }
    for file in files {
        let copy = root.join(file.strip_prefix("/").expect("a whole path"));
        fs::create_dir_all(copy.parent().expect("a folder")).expect("a folder");
        fs::copy(&file, &copy).expect("a copy");
    }
    let shell = programs[0].file_name().expect("a name");
    symlink(shell, root.join("usr/bin/sh")).expect("a link");
}
