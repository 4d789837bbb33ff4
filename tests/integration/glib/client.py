"""GLib's client library for /v2 against an agent.

    client.py SOCKET BASE GADGET APP        the socket, and the files of three snaps

Expectations come from the contract (v2.md, v2-observed.md) and from the library's own documentation. Ends with status
0 and `all done`, or at the first thing that is not as it should be.
"""

import sys

import gi

gi.require_version("Snapd", "2")
from gi.repository import Gio, GLib, Snapd  # noqa: E402


def install(client, path):
    progress = []
    stream = Gio.File.new_for_path(path).read(None)
    told = lambda client, change, _, data: progress.append(change.get_kind())  # noqa: E731
    assert client.install_stream_sync(Snapd.InstallFlags.DANGEROUS, stream, told, None, None)
    assert set(progress) <= {"install-snap"}, progress


def refused(code, call, *args):
    """The call fails with this code of the library."""
    try:
        call(*args)
    except GLib.Error as error:
        assert error.matches(Snapd.error_quark(), code), error
        return error.message
    raise AssertionError(f"{call} is not refused")


def system(client):
    info = client.get_system_information_sync(None)
    assert info.get_series() == "16" and info.get_version(), info.get_version()
    assert info.get_os_id() and info.get_kernel_version()
    assert info.get_binaries_directory().endswith("/snap/bin"), info.get_binaries_directory()
    assert not info.get_managed()


def snaps(client):
    names = sorted(snap.get_name() for snap in client.get_snaps_sync(Snapd.GetSnapsFlags.NONE, None, None))
    assert names == ["test-app", "test-base", "test-gadget"], names
    some = client.get_snaps_sync(Snapd.GetSnapsFlags.NONE, ["test-app"], None)
    assert [snap.get_name() for snap in some] == ["test-app"]
    snap = client.get_snap_sync("test-app", None)
    assert snap.get_status() == Snapd.SnapStatus.ACTIVE
    assert snap.get_snap_type() == Snapd.SnapType.APP
    assert snap.get_confinement() == Snapd.Confinement.STRICT
    assert (snap.get_revision(), snap.get_version()) == ("x1", "1"), snap.get_revision()
    assert snap.get_install_date() is not None
    assert sorted(app.get_name() for app in snap.get_apps()) == ["hello", "talk"]
    refused(Snapd.Error.NOT_FOUND, client.get_snap_sync, "nosuch", None)


def apps(client):
    found = client.get_apps2_sync(Snapd.GetAppsFlags.SELECT_SERVICES, None, None)
    assert [(app.get_snap(), app.get_name()) for app in found] == [("test-app", "talk")]
    assert found[0].get_daemon_type() == Snapd.DaemonType.SIMPLE
    assert found[0].get_enabled()
    everything = client.get_apps2_sync(Snapd.GetAppsFlags.NONE, ["test-app"], None)
    assert sorted(app.get_name() for app in everything) == ["hello", "talk"]


def connections(client):
    ends = ("test-app", "lamp", "test-gadget", "pin-13")
    assert client.connect_interface_sync(*ends, None, None, None)
    _, established, undesired, plugs, slots = client.get_connections2_sync(
        Snapd.GetConnectionsFlags.NONE, None, None, None
    )
    assert len(established) == 1 and undesired == []
    one = established[0]
    assert (one.get_interface(), one.get_manual(), one.get_gadget()) == ("gpio", True, False)
    assert (one.get_plug().get_snap(), one.get_plug().get_plug()) == ends[:2]
    assert (one.get_slot().get_snap(), one.get_slot().get_slot()) == ends[2:]
    assert len(plugs) == 1 and len(slots) == 1
    assert client.disconnect_interface_sync(*ends, None, None, None)
    refused(Snapd.Error.BAD_REQUEST, client.disconnect_interface_sync, *ends, None, None, None)
    _, established, *_ = client.get_connections2_sync(Snapd.GetConnectionsFlags.NONE, None, None, None)
    assert established == []
    named = client.get_interfaces2_sync(Snapd.GetInterfacesFlags.INCLUDE_SLOTS, ["gpio"], None)
    assert [interface.get_name() for interface in named] == ["gpio"]
    assert [slot.get_name() for slot in named[0].get_slots()] == ["pin-13"]


def configuration(client):
    values = {"port": GLib.Variant("x", 8080), "name": GLib.Variant("s", "front")}
    assert client.set_snap_conf_sync("test-app", values, None)
    got = lambda keys: {  # noqa: E731
        key: value.unpack() for key, value in client.get_snap_conf_sync("test-app", keys, None).items()
    }
    assert got(None) == {"port": 8080, "name": "front"}, got(None)
    assert got(["port"]) == {"port": 8080}
    refused(Snapd.Error.OPTION_NOT_FOUND, client.get_snap_conf_sync, "test-app", ["nosuch"], None)


def aliases(client):
    assert client.alias_sync("test-app", "hello", "hi", None, None, None)
    found = client.get_aliases_sync(None)
    assert [(alias.get_snap(), alias.get_name()) for alias in found] == [("test-app", "hi")]
    assert found[0].get_status() == Snapd.AliasStatus.MANUAL
    assert found[0].get_command() == "test-app.hello", found[0].get_command()
    assert client.prefer_sync("test-app", None, None, None)
    assert client.unalias_sync("test-app", "hi", None, None, None)
    assert client.get_aliases_sync(None) == []
    about = client.get_changes_sync(Snapd.ChangeFilter.ALL, "test-app", None)
    assert {"alias", "prefer", "unalias"} <= {change.get_kind() for change in about}


def changes(client):
    done = client.get_changes_sync(Snapd.ChangeFilter.ALL, None, None)
    kinds = {change.get_kind() for change in done}
    wanted = {"install-snap", "connect-snap", "disconnect-snap", "configure-snap"}
    assert wanted <= kinds, kinds
    assert all(change.get_ready() and change.get_status() == "Done" for change in done)
    about = client.get_changes_sync(Snapd.ChangeFilter.ALL, "test-base", None)
    assert [change.get_kind() for change in about] == ["install-snap"]
    change = client.get_change_sync(about[0].get_id(), None)
    tasks = [task.get_kind() for task in change.get_tasks()]
    # contract: v2-observed, section 3, "sideload new, type base"
    assert tasks[:4] == ["prerequisites", "prepare-snap", "mount-snap", "copy-snap-data"], tasks
    assert client.get_changes_sync(Snapd.ChangeFilter.IN_PROGRESS, None, None) == []
    # What is refused about a change, this library does not tell its caller.


def revisions(client):
    assert client.disable_sync("test-app", None, None, None)
    assert client.get_snap_sync("test-app", None).get_status() == Snapd.SnapStatus.INSTALLED
    assert client.enable_sync("test-app", None, None, None)
    assert client.get_snap_sync("test-app", None).get_status() == Snapd.SnapStatus.ACTIVE
    assert client.switch_sync("test-app", "edge", None, None, None)
    assert client.get_snap_sync("test-app", None).get_tracking_channel() == "latest/edge"


def what_it_does_not_have(client):
    """The library has no calls for services' control and logs: those stay with the `snap` command's tests."""
    words = ("start", "stop", "restart", "logs", "services", "service", "journal")
    calls = {name for name in dir(Snapd.Client) if name.endswith("_sync")}
    found = {name for name in calls if set(name.split("_")) & set(words)}
    assert found == set(), f"use {found} here, and their neighbours"
    # The guard sees what there is.
    assert {"get_apps2_sync", "connect_interface_sync", "get_snap_conf_sync", "get_aliases_sync"} <= calls


def removal(client):
    assert client.remove2_sync(Snapd.RemoveFlags.NONE, "test-app", None, None, None)
    refused(Snapd.Error.NOT_FOUND, client.get_snap_sync, "test-app", None)
    refused(Snapd.Error.NOT_INSTALLED, client.remove2_sync, Snapd.RemoveFlags.NONE, "test-app", None, None, None)
    # There is no store to ask.
    refused(Snapd.Error.DNS_FAILURE, client.find_sync, Snapd.FindFlags.NONE, "anything", None)


def main(socket, *files):
    client = Snapd.Client.new()
    client.set_socket_path(socket)
    for path in files:
        install(client, path)
    parts = (system, snaps, apps, connections, configuration, aliases, changes, revisions, what_it_does_not_have)
    for part in (*parts, removal):
        part(client)
        print(f"{part.__name__} done", flush=True)
    print("all done")


main(*sys.argv[1:])
