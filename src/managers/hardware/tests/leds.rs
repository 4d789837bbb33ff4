//! LEDs of the kernel, of the simulator, and those wired to lines.

use super::*;

#[tokio::test]
async fn an_led_is_lit_by_its_snap() {
    let bench = bench();
    let grants = bench
        .connect("lamp:status", "pi:led-act", Target::Led("led0".into()))
        .expect("connected");
    assert_eq!(
        grants,
        [Grant::Led {
            name: "ACT".into(),
            path: None
        }]
    );
    let me = of_snap("lamp");
    let led = bench.hardware.set_led("status", 255, &me).expect("lit");
    assert_eq!((led.name.as_str(), led.brightness), ("ACT", 255));
    assert_eq!(led.plugs.len(), 1);
    assert!(bench.hardware.set_led("PWR", 0, &me).is_err(), "not its own");
    bench
        .hardware
        .detach(&connection("lamp:status", "pi:led-act"))
        .expect("detached");
    assert_eq!(bench.hardware.led("ACT", &admin()).expect("read").brightness, 0);
    let by_path = Target::BoolFile("/sys/class/leds/led1/brightness".into());
    let grants = bench
        .connect("lamp:power", "pi:led-pwr", by_path)
        .expect("connected");
    assert_eq!(
        grants,
        [Grant::Led {
            name: "PWR".into(),
            path: None
        }]
    );
}

#[tokio::test]
async fn an_led_that_is_wired_to_a_line_is_that_line() {
    let bench = bench();
    bench
        .connect("lamp:status", "pi:led-user", Target::Led("USER".into()))
        .expect("connected");
    let fault = bench
        .connect("other:relay", "pi:bcm-gpio-47", Target::Number(47))
        .expect_err("the LED's line");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
    let me = of_snap("lamp");
    let led = bench.hardware.set_led("USER", 7, &me).expect("lit");
    assert_eq!(
        (led.brightness, led.max_brightness, led.line.as_deref()),
        (1, 1, Some("GPIO47"))
    );
    let line = bench.hardware.line("GPIO47", &admin()).expect("read");
    assert_eq!((line.value, line.direction), (Some(1), Some(Direction::Output)));
    bench
        .hardware
        .detach(&connection("lamp:status", "pi:led-user"))
        .expect("detached");
    assert_eq!(bench.hardware.led("USER", &admin()).expect("read").brightness, 0);
    bench
        .connect("other:relay", "pi:bcm-gpio-47", Target::Number(47))
        .expect("free now");
    let fault = bench
        .hardware
        .set_led("USER", 1, &admin())
        .expect_err("the relay's line");
    assert_eq!(fault.kind, ErrorKind::LineBusy);
}

#[tokio::test]
async fn an_led_blinks_identifies_itself_and_goes_back() {
    let bench = bench();
    let brightness = || bench.hardware.led("ACT", &admin()).expect("read").brightness;
    bench.hardware.set_led("ACT", 9, &admin()).expect("lit");
    let led = bench
        .hardware
        .blink_led("ACT", 5, 5, Some(2), &admin())
        .expect("blinks");
    assert_eq!(led.blink, Some((5, 5)));
    let mut reader = bench.bus.subscribe(Filter::default(), None);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let told = events(&mut reader);
    let steps: Vec<_> = told
        .iter()
        .filter(|event| event.data["cause"] == "step")
        .map(|event| event.data["brightness"].as_u64().expect("brightness"))
        .collect();
    assert_eq!(steps, [255, 0, 255, 0]);
    assert_eq!(brightness(), 0);
    assert_eq!(bench.hardware.led("ACT", &admin()).expect("read").blink, None);
    bench.hardware.set_led("ACT", 9, &admin()).expect("lit");
    bench
        .hardware
        .identify_led("ACT", 1, &admin())
        .expect("identifies");
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(brightness(), 9, "as before");
    bench
        .hardware
        .trigger_led("ACT", "timer", &admin())
        .expect("blinks");
    assert_eq!(
        bench.hardware.set_led("ACT", 3, &admin()).expect("lit").trigger,
        "none"
    );
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(brightness(), 3, "what was said last counts");
    let fault = bench
        .hardware
        .trigger_led("ACT", "disco", &admin())
        .expect_err("no such trigger");
    assert_eq!(fault.kind, ErrorKind::HardwareUnsupported);
}

#[tokio::test]
async fn the_power_led_shines_from_the_start() {
    let bench = bench();
    let led = bench.hardware.led("PWR", &admin()).expect("read");
    assert_eq!((led.brightness, led.trigger.as_str()), (255, "default-on"));
}
