//! All interfaces that there are, sorted by name (contract: interfaces-and-hardware, section 5; v2-newer, section 8).
//!
//! Where an implicit slot is offered on a classic system is not in the contract's table; it follows what each
//! interface needs from its host. A row that needs more than these words is a constant in a file of its family.

use super::Offered::{Classic, Core, Everywhere};
use super::{
    APP, APP_OR_CORE, DECLARED, Interface, bool_file, content, custom_device, devices, files, flags, gpio,
    gpio_chardev, led, modules, mounts, plain, pwm, serial_port, shared,
};

/// Every interface, sorted by name.
pub static TABLE: &[Interface] = &[
    plain("account-control", "creating and changing user accounts").offered(Everywhere),
    plain("accounts-service", "talking to the desktop's accounts service").offered(Classic),
    plain("acrn-support", "running machines on the ACRN hypervisor").offered(Everywhere),
    plain("adb-support", "serving as an Android debug bridge").offered(Everywhere),
    plain("allegro-vcu", "the Allegro video codec unit").offered(Everywhere),
    plain("alsa", "playing and recording on sound cards directly").offered(Everywhere),
    plain("appstream-metadata", "reading the host's AppStream metadata").offered(Classic),
    plain("audio-playback", "playing sound through the sound service")
        .offered(Classic)
        .slots(APP_OR_CORE)
        .auto(),
    plain("audio-record", "recording sound through the sound service")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("autopilot-introspection", "being driven by Autopilot tests").offered(Everywhere),
    plain(
        "avahi-control",
        "announcing services on the local network by mDNS",
    )
    .offered(Classic)
    .slots(APP_OR_CORE),
    plain("avahi-observe", "finding services on the local network by mDNS")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("block-devices", "reading and writing whole disks")
        .offered(Everywhere)
        .privileged(),
    plain("bluetooth-control", "the kernel's Bluetooth stack").offered(Everywhere),
    plain("bluez", "being or using the BlueZ Bluetooth service")
        .offered(Classic)
        .slots(APP_OR_CORE),
    bool_file::BOOL_FILE,
    plain("broadcom-asic-control", "Broadcom switch ASICs").offered(Everywhere),
    flags::BROWSER_SUPPORT,
    plain("calendar-service", "reading and changing the desktop's calendars").offered(Classic),
    plain("camera", "all cameras").offered(Everywhere),
    plain("can-bus", "sending and receiving on CAN buses").offered(Everywhere),
    plain("cifs-mount", "mounting CIFS shares").offered(Everywhere),
    plain("classic-support", "running a classic system in a snap")
        .offered(Core)
        .privileged(),
    plain("contacts-service", "reading and changing the desktop's contacts").offered(Classic),
    content::CONTENT,
    plain("core-support", "special rights of the core snap's own hooks").offered(Core),
    plain("cpu-control", "CPU frequencies and governors").offered(Everywhere),
    plain("cups", "printing").slots(APP),
    plain("cups-control", "managing printers and print jobs")
        .offered(Classic)
        .slots(APP_OR_CORE),
    custom_device::CUSTOM_DEVICE,
    plain("daemon-notify", "telling the service manager of state changes").offered(Everywhere),
    shared::DBUS,
    plain("dcdbas-control", "Dell's systems management driver").offered(Everywhere),
    plain("desktop", "basic rights of a graphical program")
        .offered(Classic)
        .auto(),
    plain("desktop-launch", "listing and starting other graphical programs")
        .offered(Classic)
        .privileged(),
    plain("desktop-legacy", "older desktop services such as input methods")
        .offered(Classic)
        .auto(),
    plain("device-buttons", "power, volume and other buttons of the device").offered(Everywhere),
    plain("display-control", "brightness of displays").offered(Everywhere),
    plain("dm-crypt", "encrypted volumes by device mapper")
        .offered(Everywhere)
        .privileged(),
    plain("docker", "talking to a Docker daemon that is a snap").slots(DECLARED),
    flags::DOCKER_SUPPORT,
    flags::DSP,
    plain("dvb", "digital TV receivers").offered(Everywhere),
    plain("empty", "nothing at all, for tests").slots(APP),
    plain("firewall-control", "the kernel's firewall").offered(Everywhere),
    plain("fpga", "loading and managing FPGAs").offered(Everywhere),
    plain("framebuffer", "drawing on framebuffers").offered(Everywhere),
    plain("fuse-support", "mounting FUSE file systems").offered(Everywhere),
    plain("fwupd", "being or using the firmware update service")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("gconf", "the old GNOME configuration").offered(Classic),
    plain("gpg-keys", "reading private GPG keys and settings").offered(Everywhere),
    plain("gpg-public-keys", "reading public GPG keys").offered(Everywhere),
    gpio::GPIO,
    gpio_chardev::GPIO_CHARDEV,
    plain("gpio-control", "exporting and driving every GPIO line")
        .offered(Everywhere)
        .privileged(),
    plain("gpio-memory-control", "the GPIO registers in memory").offered(Everywhere),
    flags::GREENGRASS_SUPPORT,
    plain("gsettings", "the user's GNOME settings")
        .offered(Classic)
        .auto(),
    plain("hardware-observe", "reading what hardware there is").offered(Everywhere),
    plain(
        "hardware-random-control",
        "feeding and choosing the hardware random number generator",
    )
    .offered(Everywhere),
    plain(
        "hardware-random-observe",
        "reading the hardware random number generator",
    )
    .offered(Everywhere),
    devices::HIDRAW,
    flags::HOME,
    plain("hostname-control", "changing the host name").offered(Everywhere),
    plain("hugepages-control", "huge pages of memory").offered(Everywhere),
    devices::I2C,
    devices::IIO,
    plain("intel-mei", "Intel's management engine").offered(Everywhere),
    plain("io-ports-control", "all I/O ports of the processor").offered(Everywhere),
    plain("ion-memory-control", "Android's ION memory manager")
        .offered(Everywhere)
        .privileged(),
    plain("jack1", "talking to a JACK1 sound server"),
    plain("joystick", "joysticks and game pads").offered(Everywhere),
    plain("juju-client-observe", "reading the Juju client's settings").offered(Classic),
    plain("kernel-crypto-api", "the kernel's cryptography").offered(Everywhere),
    plain("kernel-module-control", "loading and unloading any kernel module")
        .offered(Everywhere)
        .privileged(),
    modules::KERNEL_MODULE_LOAD,
    plain("kernel-module-observe", "listing kernel modules").offered(Everywhere),
    flags::KUBERNETES_SUPPORT,
    plain("kvm", "running virtual machines with KVM").offered(Everywhere),
    led::LED,
    plain("libvirt", "talking to libvirt").offered(Classic),
    plain("locale-control", "changing the system's locale").offered(Classic),
    plain("location-control", "managing the location service").slots(APP),
    plain("location-observe", "asking where the device is").slots(APP),
    plain("log-observe", "reading all system logs").offered(Everywhere),
    plain("login-session-control", "managing login sessions").offered(Everywhere),
    plain("login-session-observe", "reading login sessions").offered(Everywhere),
    plain("lxd", "talking to LXD").slots(DECLARED),
    plain("lxd-support", "running LXD")
        .offered(Everywhere)
        .privileged(),
    plain("maliit", "on-screen keyboards by Maliit").slots(APP),
    plain("media-control", "media pipelines of cameras and codecs").offered(Everywhere),
    plain("media-hub", "the media hub service")
        .slots(APP_OR_CORE)
        .auto(),
    plain("microceph", "talking to MicroCeph").slots(DECLARED),
    plain("microstack-support", "running MicroStack")
        .offered(Everywhere)
        .privileged(),
    plain("mir", "being or using a Mir display server")
        .slots(APP)
        .auto(),
    plain("modem-manager", "being or using ModemManager")
        .offered(Classic)
        .slots(APP_OR_CORE),
    mounts::MOUNT_CONTROL,
    plain("mount-observe", "reading what is mounted and how full it is").offered(Everywhere),
    plain("mpris", "being controlled as a media player").slots(APP),
    plain("multipass-support", "running Multipass")
        .offered(Everywhere)
        .privileged(),
    plain("netlink-audit", "reading the kernel's audit log").offered(Everywhere),
    plain("netlink-connector", "the kernel's netlink connector").offered(Everywhere),
    shared::NETLINK_DRIVER,
    plain("network", "the network, as a client")
        .offered(Everywhere)
        .auto(),
    plain("network-bind", "the network, as a server")
        .offered(Everywhere)
        .auto(),
    plain("network-control", "configuring the network").offered(Everywhere),
    plain("network-manager", "being or using NetworkManager")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("network-manager-observe", "reading NetworkManager's state")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("network-observe", "reading the state of the network").offered(Everywhere),
    plain("network-setup-control", "changing netplan's files").offered(Everywhere),
    plain("network-setup-observe", "reading netplan's files").offered(Everywhere),
    plain("network-status", "asking whether the device is online")
        .offered(Classic)
        .auto(),
    plain("ofono", "being or using the oFono telephony service")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("online-accounts-service", "using or offering online accounts")
        .slots(APP)
        .auto(),
    plain("opengl", "drawing with the GPU").offered(Everywhere).auto(),
    plain("openvswitch", "talking to Open vSwitch").offered(Classic),
    plain("openvswitch-support", "running Open vSwitch").offered(Everywhere),
    flags::OPTICAL_DRIVE,
    plain(
        "packagekit-control",
        "installing host packages through PackageKit",
    )
    .offered(Classic)
    .privileged(),
    plain("password-manager-service", "the desktop's password stores").offered(Classic),
    files::PERSONAL_FILES,
    plain("physical-memory-control", "writing all physical memory").offered(Everywhere),
    plain("physical-memory-observe", "reading all physical memory").offered(Everywhere),
    plain("pkcs11", "a PKCS#11 token through its socket").slots(DECLARED),
    plain("polkit", "asking polkit for authorisation")
        .offered(Classic)
        .privileged(),
    shared::POSIX_MQ,
    plain("power-control", "power settings of devices and the system").offered(Everywhere),
    plain("ppp", "running the PPP daemon").offered(Everywhere),
    plain("process-control", "signalling and prioritising other processes").offered(Everywhere),
    plain("ptp", "precision clocks").offered(Everywhere),
    plain(
        "pulseaudio",
        "sound by PulseAudio (use audio-playback and audio-record)",
    )
    .offered(Classic)
    .slots(APP_OR_CORE),
    pwm::PWM,
    plain("qualcomm-ipc-router", "Qualcomm IPC router sockets").offered(Everywhere),
    plain("raw-input", "every input device directly").offered(Everywhere),
    plain("raw-usb", "every USB device directly").offered(Everywhere),
    devices::RAW_VOLUME,
    plain("removable-media", "what is mounted as removable media").offered(Everywhere),
    plain("screen-inhibit-control", "keeping the screen on")
        .offered(Classic)
        .auto(),
    plain("screencast-legacy", "recording the screen").offered(Classic),
    plain("scsi-generic", "SCSI devices directly")
        .offered(Everywhere)
        .privileged(),
    flags::SD_CONTROL,
    serial_port::SERIAL_PORT,
    shared::SHARED_MEMORY,
    plain("shutdown", "rebooting and powering off").offered(Everywhere),
    plain(
        "snap-interfaces-requests-control",
        "answering permission prompts of other snaps",
    )
    .offered(Everywhere)
    .privileged(),
    plain(
        "snap-refresh-control",
        "holding back and letting go refreshes of other snaps",
    )
    .offered(Everywhere)
    .privileged(),
    plain("snap-refresh-observe", "watching refreshes of other snaps").offered(Everywhere),
    plain("snap-themes-control", "installing snaps of desktop themes")
        .offered(Everywhere)
        .privileged(),
    flags::SNAPD_CONTROL,
    devices::SPI,
    plain("ssh-keys", "reading private SSH keys and settings").offered(Everywhere),
    plain("ssh-public-keys", "reading public SSH keys").offered(Everywhere),
    plain("steam-support", "running Steam").privileged(),
    plain(
        "storage-framework-service",
        "using or offering the storage framework",
    )
    .slots(APP),
    plain("system-backup", "reading the whole system for a backup").offered(Everywhere),
    files::SYSTEM_FILES,
    plain("system-observe", "watching all processes").offered(Everywhere),
    plain(
        "system-packages-doc",
        "reading the documentation of host packages",
    )
    .offered(Classic),
    plain("system-source-code", "reading source code in /usr/src").offered(Everywhere),
    plain("system-trace", "tracing the kernel").offered(Everywhere),
    plain("tee", "trusted execution environments")
        .offered(Everywhere)
        .privileged(),
    plain("thumbnailer-service", "using or offering thumbnails").slots(APP),
    plain("time-control", "setting the clock").offered(Everywhere),
    plain("timeserver-control", "choosing time servers").offered(Everywhere),
    plain("timezone-control", "setting the time zone").offered(Everywhere),
    plain("tpm", "the trusted platform module").offered(Everywhere),
    plain("u2f-devices", "U2F security keys").offered(Everywhere),
    plain("ubuntu-download-manager", "the download manager")
        .slots(APP)
        .auto(),
    plain("udisks2", "being or using UDisks2")
        .offered(Classic)
        .slots(APP_OR_CORE),
    plain("uhid", "making HID devices in user space").offered(Everywhere),
    plain("uinput", "making input devices in user space")
        .offered(Everywhere)
        .privileged(),
    devices::UIO,
    plain("unity7", "Unity 7 desktop services")
        .offered(Classic)
        .auto(),
    plain("unity8", "Unity 8 desktop services")
        .slots(APP)
        .auto()
        .privileged(),
    plain("unity8-calendar", "Unity 8's calendar").slots(APP),
    plain("unity8-contacts", "Unity 8's contacts").slots(APP),
    plain("upower-observe", "battery and power state")
        .offered(Classic)
        .slots(APP_OR_CORE)
        .auto(),
    plain("vcio", "the VideoCore mailbox of a Raspberry Pi").offered(Everywhere),
    flags::WAYLAND,
    flags::X11,
    plain("xilinx-dma", "Xilinx DMA engines")
        .offered(Everywhere)
        .privileged(),
];
