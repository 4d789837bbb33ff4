//! systemd refuses: the daemon as a machine's own agent, on a root made for it, where `systemctl` is a program that says
//! no when it is told to.

use crate::support::TestDaemon;
use crate::support::snaps::{BASE, pack};
use crate::support::somebody::is_root;
use serde_json::json;

const APP: &str = "name: app
version: '1'
base: test-base
apps:
  svc: {command: bin/svc, daemon: simple}
";

/// The root, the fake program, and the change of root. `ROOT` is the folder of the test, which is `/out` there.
const VIEW: &str = r#"
mount -t tmpfs none /mnt
mkdir -p /mnt/new
cd /mnt/new
mkdir -p usr etc/systemd/system var run/systemd/system snap dev proc sys tmp root out
for name in bin sbin lib lib64; do if [ -L /$name ]; then cp -a /$name .; fi; done
cp /etc/passwd /etc/group /etc/os-release etc
for name in usr dev sys proc; do mount --rbind /$name $name; done
mount --bind ROOT out
echo systemd > comm
mount --bind comm proc/1/comm
touch systemctl pinion
mount --bind usr/bin/systemctl systemctl
mount --bind "$1" pinion
cat > fake <<'END'
#!/bin/sh
echo "$*" >> /run/asked
if [ -e /out/refuse ] && echo "$*" | grep -q "$(cat /out/refuse)"; then
  echo "Failed to do that: Access denied" >&2
  exit 1
fi
for last; do :; done
unit="/etc/systemd/system/$last"
case "$1 $last" in
"start "*.mount)
  grep -q " $(sed -n s/^Where=//p "$unit") " /proc/mounts ||
    exec mount -t squashfs -o ro,nodev,loop "$(sed -n s/^What=//p "$unit")" "$(sed -n s/^Where=//p "$unit")" ;;
"stop "*.mount) exec umount -l "$(sed -n s/^Where=//p "$unit")" ;;
enable*|disable*) exec /systemctl --root=/ "$@" ;;
esac
END
chmod 755 fake
mount --bind fake usr/bin/systemctl
shift 3
set -- chroot /mnt/new /pinion --root / "$@""#;

/// contract: confinement, section 2; decision 15
#[test]
fn systemd_refuses() {
    if !is_root() {
        println!("skipped: faults_systemd::systemd_refuses: only root can give the agent a root of its own");
        return;
    }
    let daemon = {
        let root = TestDaemon::new_folder(&["--socket", "/out/run/snapd.socket", "--board", "sim"], |_| ());
        std::fs::create_dir(root.root().join("run")).unwrap();
        let view = VIEW.replace("ROOT", &root.root().display().to_string());
        root.with(&view)
    };
    let clean = || daemon.within("chroot /mnt/new /pinion check --deep --socket /out/run/snapd.socket");
    let refuse = |what: &str| std::fs::write(daemon.root().join("refuse"), what).unwrap();
    daemon.install(&[("base.snap", &pack(BASE, &[]))]);
    daemon.within("grep -q '^start snap-test.*mount$' /mnt/new/run/asked");
    clean();

    let app = pack(APP, &[("bin/svc", "#!/bin/sh\nexec sleep 1000\n")]);
    let install = || {
        daemon.post_form(
            "/v2/snaps",
            &[("dangerous", "true")],
            &[("snap", "app.snap", &app)],
        )
    };
    let end = |answer: crate::support::http::Answer| {
        assert_eq!(answer.status, 202, "{answer:?}");
        daemon.wait(answer.body["change"].as_str().unwrap())
    };
    for what in ["daemon-reload", "start snap.app.svc", "enable"] {
        refuse(what);
        let change = end(install());
        assert_eq!(change["status"], "Error", "{what}: {change:#}");
        let why = change["err"].as_str().unwrap();
        assert!(why.contains("Access denied"), "{what}: {why}");
        assert_eq!(daemon.get("/v2/snaps/app").status, 404, "{what}");
        daemon.within("! ls /mnt/new/etc/systemd/system | grep -q app");
        std::fs::remove_file(daemon.root().join("refuse")).unwrap();
        clean();
    }
    daemon.done(&install());
    daemon.within("test -L /mnt/new/etc/systemd/system/multi-user.target.wants/snap.app.svc.service");
    clean();

    // What runs is not removed while systemd does not end it.
    refuse("stop snap.app.svc");
    let remove = || daemon.post("/v2/snaps/app", &json!({"action": "remove"}));
    let change = end(remove());
    assert_eq!(change["status"], "Error", "{change:#}");
    assert!(
        change["err"].as_str().unwrap().contains("Access denied"),
        "{change:#}"
    );
    assert_eq!(daemon.get("/v2/snaps/app").result()["status"], "active");
    clean();
    refuse("nothing");
    daemon.done(&remove());
    daemon.within("! ls /mnt/new/etc/systemd/system | grep -q app");
    clean();
}
