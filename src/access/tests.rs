use super::*;

fn policy(agent: u32, cgroups: bool) -> Policy {
    Policy::new(agent, cgroups, |cookie| {
        (cookie == "secret").then(|| SnapName::new("web").expect("a name"))
    })
}

fn peer(transport: Transport, uid: Option<u32>) -> Peer {
    Peer {
        transport,
        uid,
        process: Process::hold(std::process::id() as i32, None),
    }
}

#[test]
fn only_the_agents_own_user_is_admin() {
    // decision 1
    for (agent, uid, role) in [
        (0, 0, Role::Admin),
        (0, 1000, Role::Viewer),
        (1000, 1000, Role::Admin),
        (1000, 0, Role::Viewer),
        (1000, 1001, Role::Viewer),
    ] {
        let who = policy(agent, false).identify(&peer(Transport::MainSocket, Some(uid)), None);
        assert_eq!(who.role, role, "agent {agent}, peer {uid}");
        assert_eq!(who.snap, None);
    }
    let who = policy(0, false).identify(&peer(Transport::MainSocket, None), None);
    assert_eq!(who.role, Role::Nobody);
}

#[test]
fn a_snap_needs_cookie_and_group_where_there_are_groups() {
    // decision 2: this test's process is in no snap's group, so it plays the thief of a cookie
    let table = [
        (1000, true, Some("secret"), true),
        (0, false, Some("secret"), true),
        (0, true, Some("secret"), false),
        (0, false, Some("guess"), false),
        (0, false, None, false),
        (1000, true, None, false),
    ];
    for (agent, cgroups, cookie, proven) in table {
        let who = policy(agent, cgroups).identify(&peer(Transport::SnapSocket, Some(0)), cookie);
        assert_eq!(who.snap.is_some(), proven, "{agent} {cgroups} {cookie:?}");
        assert!(
            who.role < Role::Operator,
            "root has no rights of its own on the socket for snaps"
        );
    }
    let who = policy(1000, false).identify(&peer(Transport::MainSocket, Some(1000)), Some("secret"));
    assert_eq!(who.snap, None, "a cookie proves nothing on the main socket");
}

/// The whole table of contract v2, section 2: class × requester.
#[test]
fn the_table_of_classes() {
    let policy = policy(0, false);
    let requesters = [
        policy.identify(&peer(Transport::MainSocket, Some(0)), None),
        policy.identify(&peer(Transport::MainSocket, Some(1000)), None),
        policy.identify(&peer(Transport::MainSocket, None), None),
        policy.identify(&peer(Transport::SnapSocket, Some(0)), None),
        policy.identify(&peer(Transport::SnapSocket, Some(1000)), Some("secret")),
        policy.identify(&peer(Transport::SnapSocket, None), Some("secret")),
    ];
    let ok = Ok(());
    let out = Err(Denied::Forbidden);
    let login = Err(Denied::Unauthorized);
    let table = [
        (Access::Open, [ok, ok, out, out, out, out]),
        (Access::Authenticated, [ok, login, out, out, out, out]),
        (Access::Root, [ok, out, out, out, out, out]),
        (Access::SnapOnly, [out, out, out, ok, ok, out]),
        (Access::OpenOrSnap, [ok, ok, out, out, ok, out]),
        (Access::AuthenticatedOrSnap, [ok, login, out, out, login, out]),
        (Access::OpenOrPlug(&[]), [ok, ok, out, out, out, out]),
    ];
    assert_eq!(table.map(|(class, _)| class), Access::ALL);
    let service = policy.identify(&peer(Transport::SnapSocket, Some(0)), Some("secret"));
    assert_eq!(
        policy.permit(Access::AuthenticatedOrSnap, &service),
        ok,
        "a snap's own service"
    );
    for (class, answers) in table {
        for (who, answer) in requesters.iter().zip(answers) {
            assert_eq!(policy.permit(class, who), answer, "{class:?} for {who:?}");
        }
    }
}

#[test]
fn a_connected_plug_opens_a_route_to_its_snap() {
    let policy = policy(0, false).with_plugs(|snap, interface| *snap == "web" && interface == "observe");
    let snap = policy.identify(&peer(Transport::SnapSocket, Some(0)), Some("secret"));
    let unknown = policy.identify(&peer(Transport::SnapSocket, Some(0)), None);
    for (interfaces, answer) in [
        (&["observe"] as &[_], Ok(())),
        (&["other", "observe"], Ok(())),
        (&["other"], Err(Denied::Forbidden)),
    ] {
        assert_eq!(policy.permit(Access::OpenOrPlug(interfaces), &snap), answer);
        assert_eq!(
            policy.permit(Access::OpenOrPlug(interfaces), &unknown),
            Err(Denied::Forbidden)
        );
    }
}
