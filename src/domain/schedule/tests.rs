use super::*;
use proptest::prelude::*;

fn schedule(text: &str) -> Schedule {
    Schedule::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

/// The next events of a schedule in UTC, with the least of each spread.
fn follow(text: &str, after: &str, count: usize) -> Vec<String> {
    let schedule = schedule(text);
    let mut now = at(after);
    (0..count)
        .map(|_| {
            now = schedule.next(now, &TimeZone::UTC, &|_| 0).expect("an event");
            now.rfc3339()
        })
        .collect()
}

/// Those that fall on a calendar can be looked up in it: 2018-08-01 was a Wednesday.
#[test]
fn events_follow_each_other() {
    for (text, after, expected) in [
        (
            "10:00",
            "2018-08-01T09:59:59Z",
            vec!["2018-08-01T10:00:00Z", "2018-08-02T10:00:00Z"],
        ),
        ("10:00", "2018-08-01T10:00:00Z", vec!["2018-08-02T10:00:00Z"]),
        (
            "mon,10:00,,fri,15:00",
            "2018-08-01T00:00:00Z",
            vec!["2018-08-03T15:00:00Z", "2018-08-06T10:00:00Z"],
        ),
        (
            "mon,fri,9:00,15:00",
            "2018-08-03T10:00:00Z",
            vec!["2018-08-03T15:00:00Z", "2018-08-06T09:00:00Z"],
        ),
        (
            "9:00-11:00/2",
            "2018-08-01T00:00:00Z",
            vec![
                "2018-08-01T09:00:00Z",
                "2018-08-01T10:00:00Z",
                "2018-08-02T09:00:00Z",
            ],
        ),
        (
            "00:00~24:00/4",
            "2018-08-01T13:00:00Z",
            vec!["2018-08-01T18:00:00Z", "2018-08-02T00:00:00Z"],
        ),
        (
            "23:00-1:00/2",
            "2018-08-01T23:30:00Z",
            vec!["2018-08-02T00:00:00Z", "2018-08-02T23:00:00Z"],
        ),
        (
            "fri-mon",
            "2018-08-01T12:00:00Z",
            vec![
                "2018-08-03T00:00:00Z",
                "2018-08-04T00:00:00Z",
                "2018-08-05T00:00:00Z",
                "2018-08-06T00:00:00Z",
                "2018-08-10T00:00:00Z",
            ],
        ),
        // from the first Monday to the Friday after it
        (
            "mon1-fri,8:00",
            "2018-08-01T00:00:00Z",
            vec!["2018-08-06T08:00:00Z", "2018-08-07T08:00:00Z"],
        ),
        (
            "mon1-fri,8:00",
            "2018-08-10T08:00:00Z",
            vec!["2018-09-03T08:00:00Z"],
        ),
        // from the Monday before the first Friday, which lies in July
        (
            "mon-fri1,8:00",
            "2018-07-29T00:00:00Z",
            vec![
                "2018-07-30T08:00:00Z",
                "2018-07-31T08:00:00Z",
                "2018-08-01T08:00:00Z",
            ],
        ),
        (
            "mon-fri1,8:00",
            "2018-08-03T08:00:00Z",
            vec!["2018-09-03T08:00:00Z"],
        ),
        // over the end of the month
        (
            "fri4-thu,8:00",
            "2018-07-26T12:00:00Z",
            vec!["2018-07-27T08:00:00Z", "2018-07-28T08:00:00Z"],
        ),
        (
            "fri4-thu,8:00",
            "2018-08-02T08:00:00Z",
            vec!["2018-08-24T08:00:00Z"],
        ),
        (
            "wed5,8:00",
            "2018-08-01T00:00:00Z",
            vec!["2018-08-29T08:00:00Z", "2018-09-26T08:00:00Z"],
        ),
        (
            "mon1-mon,8:00",
            "2018-08-12T09:00:00Z",
            vec!["2018-08-13T08:00:00Z", "2018-09-03T08:00:00Z"],
        ),
        (
            "24:00",
            "2018-08-01T12:00:00Z",
            vec!["2018-08-02T00:00:00Z", "2018-08-03T00:00:00Z"],
        ),
    ] {
        assert_eq!(
            follow(text, after, expected.len()),
            expected,
            "{text} after {after}"
        );
    }
}

#[test]
fn a_spread_event_is_once_in_its_window() {
    let schedule = schedule("10:00~12:00");
    let next = |after: &str, pick: &dyn Fn(u32) -> u32| {
        let next = schedule.next(at(after), &TimeZone::UTC, pick);
        next.expect("an event").rfc3339()
    };
    let most = |limit: u32| limit;
    // the last five minutes stay free
    assert_eq!(next("2018-08-01T00:00:00Z", &most), "2018-08-01T11:55:00Z");
    assert_eq!(next("2018-08-01T10:01:00Z", &|_| 60), "2018-08-02T10:01:00Z");
}

#[test]
fn clocks_that_are_changed_neither_lose_nor_repeat_an_event() {
    let zone = TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").expect("a zone");
    let next = |text: &str, after: &str| {
        let next = schedule(text).next(at(after), &zone, &|_| 0);
        next.expect("an event").rfc3339()
    };
    // 2:30 does not exist on that day
    assert_eq!(next("2:30", "2018-03-25T00:00:00Z"), "2018-03-25T01:30:00Z");
    // 2:30 comes twice on that day
    assert_eq!(next("2:30", "2018-10-28T00:00:00Z"), "2018-10-28T00:30:00Z");
    assert_eq!(next("2:30", "2018-10-28T00:30:00Z"), "2018-10-29T01:30:00Z");
    assert_eq!(next("2:45", "2018-10-28T01:30:00Z"), "2018-10-29T01:45:00Z");
}

#[test]
fn windows_include_their_minutes() {
    for (text, now, expected) in [
        ("10:00", "2018-08-01T10:00:59Z", true),
        ("10:00", "2018-08-01T10:01:00Z", false),
        ("23:00~1:00", "2018-08-01T00:30:00Z", true),
        ("wed,23:00~1:00", "2018-08-02T00:30:00Z", true),
        ("wed,23:00~1:00", "2018-08-01T00:30:00Z", false),
        ("mon1,10:00-12:00", "2018-08-13T11:00:00Z", false),
        ("mon1,10:00-12:00", "2018-08-06T11:00:00Z", true),
    ] {
        assert_eq!(
            schedule(text).includes(at(now), &TimeZone::UTC),
            expected,
            "{text} at {now}"
        );
    }
}

/// A span that ends where it begins has nothing to divide or to spread over: it is one time, written in another way
/// (contract: snaps-and-assertions, section 1, the grammar of timers).
#[test]
fn a_span_of_no_length_is_a_time() {
    for span in [
        "1:00-1:00",
        "1:00-01:00",
        "1:00~1:00",
        "1:00-1:00/2",
        "1:00~1:00/7",
    ] {
        for around in ["{}", "fri5,23:00,,sat,{}", "{},,mon", "sat,{},2:00-3:00/2"] {
            let text = around.replace("{}", span);
            let read = schedule(&text);
            assert_eq!(read, schedule(&around.replace("{}", "1:00")), "{text}");
            assert_eq!(
                read.to_string(),
                around.replace("{}", "01:00").replace("2:00-3:00", "02:00-03:00")
            );
        }
    }
    // a whole day is no such span, whichever way it is written
    assert_eq!(schedule("0:00-24:00/2").to_string(), "00:00-24:00/2");
    assert_eq!(schedule("24:00-0:00/2").to_string(), "24:00-00:00/2");
}

#[test]
fn what_is_no_schedule_is_refused() {
    for text in [
        "",
        ",",
        ",,",
        "mon,",
        "mon,,",
        ",10:00",
        "Mon",
        "mon0",
        "mon6",
        "mond",
        "mo",
        "mon-",
        "-mon",
        "mon-tue-wed",
        "mon4-mon1",
        "10",
        "10:0",
        "10:60",
        "24:01",
        "25:00",
        "010:00",
        "+1:00",
        "10:00-",
        "~",
        "10:00~11:00~12:00",
        "10:00-11:00/",
        "10:00-11:00/0",
        "10:00-11:00/-1",
        "10:00-11:00/+1",
        "10:00-11:00/2/3",
        "10:00-11:00/1441",
        "10:00,mon",
        "mon..tue",
        "mon 10:00",
        "10:00\n",
        "möp",
        "0:00-24:00/1440,,0:00-24:00/1440",
    ] {
        let refused = Schedule::parse(text);
        assert!(refused.is_err(), "{text:?} is read as {refused:?}");
    }
    assert!(Schedule::parse(&"10:00,".repeat(1000)).is_err());
}

proptest! {
    #[test]
    fn no_text_does_harm(text in "\\PC{0,40}") {
        let _ = Schedule::parse(&text);
    }

    #[test]
    fn what_is_read_is_written_as_the_same(text in "((mon|tue|sun)[1-5]?(-(wed|sat)[1-5]?)?,)?[0-2]?[0-9]:[0-5][0-9]([-~][0-2]?[0-9]:[0-5][0-9](/[1-9][0-9]?)?)?") {
        if let Ok(schedule) = Schedule::parse(&text) {
            prop_assert_eq!(Schedule::parse(&schedule.to_string()), Ok(schedule));
        }
    }

    #[test]
    fn the_next_event_is_later_and_in_a_window(
        text in "((mon|tue|sun)[1-5]?(-(wed|sat)[1-5]?)?,)?[0-2]?[0-9]:[0-5][0-9]([-~][0-2]?[0-9]:[0-5][0-9](/[1-9][0-9]?)?)?",
        after in 0_i64..4_000_000_000,
        share in 0_u32..100,
    ) {
        if let Ok(schedule) = Schedule::parse(&text) {
            let after = Timestamp(after * 1_000_000_000);
            let next = schedule.next(after, &TimeZone::UTC, &|limit| limit / 100 * share);
            let next = next.expect("every schedule comes round");
            prop_assert!(next > after);
            prop_assert!(next < after.plus_seconds(64 * 24 * 3600), "{} days", (next.0 - after.0) / 86_400_000_000_000);
            prop_assert!(schedule.includes(next, &TimeZone::UTC));
        }
    }
}
