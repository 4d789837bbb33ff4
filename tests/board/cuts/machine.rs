//! The virtual board of the power cuts: Debian's kernel under QEMU, without KVM, a root of busybox, the C library and the
//! agent on ext4.

use super::disk::Disk;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// PID 1 of the initramfs. What is in `board` goes to the disk in the first boot, with the system.
const INIT: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/root
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
for m in virtio_pci virtio_rng virtio_blk ext4 squashfs loop; do modprobe -q $m; done
until [ -b /dev/vda ]; do sleep 0.05; done
mount -t ext4 /dev/vda /mnt || poweroff -f
if [ -e /board ]; then
  mkdir -p /mnt/dev /mnt/proc /mnt/sys /mnt/run /mnt/tmp /mnt/root /mnt/var/lib /mnt/etc
  for d in bin sbin lib lib64 usr board; do cp -a /$d /mnt/; done
  rm -rf /mnt/lib/modules
  echo root:x:0:0:root:/root:/bin/sh > /mnt/etc/passwd
  echo root:x:0: > /mnt/etc/group
  sync
fi
for d in dev proc sys; do mount --move /$d /mnt/$d; done
exec switch_root /mnt /bin/busybox sh /board/start
";

/// PID 1 of the disk.
const START: &str = "export PATH=/bin:/usr/bin:/sbin:/usr/sbin HOME=/root
mount -t tmpfs run /run
mount -t tmpfs tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
hostname board
ip link set lo up
/board/cuts guest
sync
poweroff -f
";

const SIZE: u64 = 256 << 20;

/// What `tests/board/boot` has fetched.
pub struct Parts {
    /// A folder of unpacked packages, with QEMU.
    host: PathBuf,
    kernel: PathBuf,
    initramfs: PathBuf,
}

impl Parts {
    pub fn fetch(script: &Path) -> io::Result<Self> {
        let output = Command::new(script)
            .args(["parts", "amd64"])
            .stderr(Stdio::inherit())
            .output()?;
        let text = String::from_utf8_lossy(&output.stdout);
        let mut lines = text.lines().map(PathBuf::from);
        match (lines.next(), lines.next(), lines.next()) {
            (Some(host), Some(kernel), Some(initramfs)) if output.status.success() => Ok(Self {
                host,
                kernel,
                initramfs,
            }),
            _ => Err(io::Error::other(format!(
                "tests/board/boot parts: {}",
                output.status
            ))),
        }
    }

    fn qemu(&self) -> Command {
        let libraries = self.host.join("usr/lib/x86_64-linux-gnu");
        let paths = [
            libraries.clone(),
            self.host.join("lib/x86_64-linux-gnu"),
            libraries.join("pulseaudio"),
        ];
        let mut qemu = Command::new(self.host.join("usr/bin/qemu-system-x86_64"));
        qemu.env("LD_LIBRARY_PATH", std::env::join_paths(paths).unwrap_or_default());
        for folder in ["usr/share/qemu", "usr/share/seabios"] {
            qemu.arg("-L").arg(self.host.join(folder));
        }
        qemu
    }
}

/// A file of the archive that an initramfs is.
fn archived(out: &mut Vec<u8>, name: &str, mode: u32, content: &[u8]) {
    let mode = mode as usize;
    let fields = [0, mode, 0, 0, 1, 0, content.len(), 0, 0, 0, 0, name.len() + 1, 0];
    out.extend_from_slice(b"070701");
    for field in fields {
        out.extend_from_slice(format!("{field:08x}").as_bytes());
    }
    out.extend_from_slice(name.as_bytes());
    out.push(0);
    out.resize(out.len().next_multiple_of(4), 0);
    out.extend_from_slice(content);
    out.resize(out.len().next_multiple_of(4), 0);
}

/// What the boots need, in a folder.
pub struct Bench {
    parts: Parts,
    dir: PathBuf,
}

impl Bench {
    /// Makes an empty disk, and what the first boot fills it with.
    pub fn prepare(parts: Parts, dir: &Path, files: &[(&str, PathBuf)]) -> io::Result<Self> {
        let image = dir.join("disk");
        fs::File::create(&image)?.set_len(SIZE)?;
        let made = Command::new("/sbin/mke2fs")
            .args([
                "-q",
                "-t",
                "ext4",
                "-m",
                "0",
                "-E",
                "lazy_itable_init=0,lazy_journal_init=0",
            ])
            .arg(&image)
            .status()?;
        if !made.success() {
            return Err(io::Error::other("mke2fs failed"));
        }
        let mut system = fs::read(&parts.initramfs)?;
        system.resize(system.len().next_multiple_of(4), 0);
        archived(&mut system, "init", 0o100_755, INIT.as_bytes());
        let mut first = system.clone();
        archived(&mut first, "board", 0o040_755, &[]);
        archived(&mut first, "board/start", 0o100_644, START.as_bytes());
        for (name, path) in files {
            archived(&mut first, &format!("board/{name}"), 0o100_755, &fs::read(path)?);
        }
        for (name, mut archive) in [("system", system), ("first", first)] {
            archived(&mut archive, "TRAILER!!!", 0, &[]);
            fs::write(dir.join(name), archive)?;
        }
        Ok(Self {
            parts,
            dir: dir.to_owned(),
        })
    }

    pub fn image(&self) -> PathBuf {
        self.dir.join("disk")
    }

    /// What the kernel and the agent of the last boots said.
    pub fn console(&self, boot: u64) -> PathBuf {
        self.dir.join(format!("console-{}", boot % 4))
    }

    pub fn boot(&self, disk: &Disk, boot: u64) -> io::Result<Machine> {
        let initramfs = self.dir.join(if boot == 0 { "first" } else { "system" });
        let mut qemu = self.parts.qemu();
        qemu.args([
            "-M",
            "q35",
            "-nodefaults",
            "-accel",
            "tcg",
            "-cpu",
            "qemu64",
            "-smp",
            "2",
            "-m",
            "512",
        ])
        .args([
            "-nic",
            "none",
            "-display",
            "none",
            "-monitor",
            "none",
            "-no-reboot",
        ])
        .args(["-object", "rng-random,id=r0,filename=/dev/urandom"])
        .args(["-device", "virtio-rng-pci,rng=r0", "-drive"])
        .arg(format!(
            "file=nbd+unix:///?socket={},format=raw,if=none,id=d0,cache=writeback",
            disk.socket().display()
        ))
        .args(["-device", "virtio-blk-pci,drive=d0", "-serial"])
        .arg(format!("file:{}", self.console(boot).display()))
        .args(["-serial", "stdio", "-kernel"])
        .arg(&self.parts.kernel)
        .arg("-initrd")
        .arg(initramfs)
        .args([
            "-append",
            "console=ttyS0 panic=-1 quiet loglevel=4 no_timer_check",
        ])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
        let mut child = qemu.spawn()?;
        let output = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let (sender, lines) = mpsc::channel();
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = String::new();
            // A line that the cut broke off was not said.
            while output.read_line(&mut line).is_ok() && line.ends_with('\n') {
                if sender.send(line.trim().to_owned()).is_err() {
                    return;
                }
                line.clear();
            }
        });
        Ok(Machine { child, lines })
    }
}

/// A machine that runs.
pub struct Machine {
    child: Child,
    lines: mpsc::Receiver<String>,
}

impl Machine {
    /// The next line that it says before `deadline`, or its end (false).
    pub fn line(&self, deadline: Instant) -> Result<String, bool> {
        let left = deadline.saturating_duration_since(Instant::now());
        self.lines
            .recv_timeout(left)
            .map_err(|error| error == mpsc::RecvTimeoutError::Timeout)
    }

    pub fn say(&mut self, text: &str) -> io::Result<()> {
        let input = self.child.stdin.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        writeln!(input, "{text}")?;
        input.flush()
    }

    /// The power goes. What it said until then is still heard.
    pub fn cut(&mut self, disk: &Disk) -> io::Result<Vec<String>> {
        disk.cut();
        self.child.kill()?;
        self.child.wait()?;
        let deadline = Instant::now() + Duration::from_secs(10);
        Ok(std::iter::from_fn(|| self.line(deadline).ok()).collect())
    }

    /// It switches itself off.
    pub fn wait(&mut self, deadline: Instant) -> io::Result<Option<i32>> {
        loop {
            if let Some(ended) = self.child.try_wait()? {
                return Ok(ended.code());
            }
            if Instant::now() > deadline {
                return Err(io::Error::other("the machine does not switch itself off"));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // Nothing is left running by a run that fails.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
