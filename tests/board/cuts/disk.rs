//! A disk with a volatile cache: what the guest writes is on the medium once it has flushed, not before. When the power
//! goes, any part of what was not flushed may be there and any part may be missing, in units of a sector.
//!
//! QEMU speaks to it by the Network Block Device protocol over a unix socket (its own file drivers write into the
//! host's page cache, which outlives QEMU: killing it alone would lose nothing that the guest has sent).

use super::dice::Dice;
use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, BufWriter, Read, Write};
use std::os::unix::fs::FileExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

/// What a disk writes as a whole.
const SECTOR: usize = 512;

const OPTION_MAGIC: &[u8; 8] = b"IHAVEOPT";
const REPLY_MAGIC: u64 = 0x0003_e889_0455_65a9;
const FIXED_NEWSTYLE: u16 = 1;
const NO_ZEROES: u16 = 2;
/// The disk has a cache that can be flushed.
const HAS_FLAGS_SEND_FLUSH: u16 = 1 | 4;

/// How much of what was not flushed survives a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Survivors {
    /// Nothing.
    None,
    /// Each sector by chance.
    Some,
    /// Everything: the disk was fast.
    All,
}

struct Medium {
    file: File,
    /// In their order.
    unflushed: Vec<(u64, Vec<u8>)>,
    flushes: u64,
    has_power: bool,
}

impl Medium {
    fn read(&self, at: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.file.read_exact_at(&mut bytes, at)?;
        let end = at + length as u64;
        for (start, data) in &self.unflushed {
            let stop = start + data.len() as u64;
            let (from, to) = (at.max(*start), end.min(stop));
            if from < to {
                let part = &data[(from - start) as usize..(to - start) as usize];
                bytes[(from - at) as usize..(to - at) as usize].copy_from_slice(part);
            }
        }
        Ok(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        for (at, data) in self.unflushed.drain(..) {
            self.file.write_all_at(&data, at)?;
        }
        self.flushes += 1;
        Ok(())
    }
}

/// The disk. It serves one machine after the other.
pub struct Disk {
    medium: Arc<Mutex<Medium>>,
    socket: PathBuf,
}

/// What a cut did to the disk.
pub struct Loss {
    pub unflushed: usize,
    pub lost: usize,
    pub flushes: u64,
}

impl Disk {
    /// The disk whose medium is the file `path`, behind `socket`.
    pub fn open(path: &Path, socket: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        let size = file.metadata()?.len();
        let medium = Arc::new(Mutex::new(Medium {
            file,
            unflushed: Vec::new(),
            flushes: 0,
            has_power: true,
        }));
        if socket.exists() {
            std::fs::remove_file(socket)?;
        }
        let listener = UnixListener::bind(socket)?;
        let served = Arc::clone(&medium);
        std::thread::spawn(move || {
            for client in listener.incoming() {
                // The machine that was killed, mostly.
                let _ = client.and_then(|client| serve(client, &served, size));
            }
        });
        Ok(Self {
            medium,
            socket: socket.to_owned(),
        })
    }

    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// From now on nothing is written and nothing is answered.
    pub fn cut(&self) {
        self.lock().has_power = false;
    }

    /// The power is there again; what survives of the writes is decided now.
    pub fn restore(&self, survivors: Survivors, dice: &mut Dice) -> io::Result<Loss> {
        let mut medium = self.lock();
        let unflushed = std::mem::take(&mut medium.unflushed);
        let mut loss = Loss {
            unflushed: 0,
            lost: 0,
            flushes: std::mem::take(&mut medium.flushes),
        };
        for (at, data) in unflushed {
            for (number, sector) in data.chunks(SECTOR).enumerate() {
                loss.unflushed += 1;
                let survives = match survivors {
                    Survivors::None => false,
                    Survivors::Some => dice.below(2) == 0,
                    Survivors::All => true,
                };
                if survives {
                    medium.file.write_all_at(sector, at + (number * SECTOR) as u64)?;
                } else {
                    loss.lost += 1;
                }
            }
        }
        medium.has_power = true;
        Ok(loss)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Medium> {
        self.medium.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn number<const N: usize>(input: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    input.read_exact(&mut bytes)?;
    Ok(bytes)
}

/// One machine from its start to its end.
fn serve(stream: UnixStream, medium: &Mutex<Medium>, size: u64) -> io::Result<()> {
    let mut input = BufReader::new(stream.try_clone()?);
    let mut output = BufWriter::new(stream);
    output.write_all(b"NBDMAGIC")?;
    output.write_all(OPTION_MAGIC)?;
    output.write_all(&(FIXED_NEWSTYLE | NO_ZEROES).to_be_bytes())?;
    output.flush()?;
    number::<4>(&mut input)?;
    if !agree(&mut input, &mut output, size)? {
        return Ok(());
    }
    loop {
        let request = number::<28>(&mut input)?;
        let command = u16::from_be_bytes([request[6], request[7]]);
        let part = |from: usize| -> [u8; 8] { request[from..from + 8].try_into().unwrap_or_default() };
        let (handle, at) = (part(8), u64::from_be_bytes(part(16)));
        let length = u32::from_be_bytes([request[24], request[25], request[26], request[27]]) as usize;
        let mut data = vec![0; if command == 1 { length } else { 0 }];
        input.read_exact(&mut data)?;
        let mut medium = medium.lock().unwrap_or_else(PoisonError::into_inner);
        if !medium.has_power {
            return Ok(());
        }
        let answer = match command {
            0 => medium.read(at, length),
            1 => {
                medium.unflushed.push((at, data));
                Ok(Vec::new())
            }
            3 => medium.flush().map(|()| Vec::new()),
            // The machine lets go of the disk.
            2 => return medium.flush(),
            _ => Err(io::Error::other("unknown")),
        };
        drop(medium);
        output.write_all(&0x6744_6698u32.to_be_bytes())?;
        output.write_all(&if answer.is_ok() { 0u32 } else { 5 }.to_be_bytes())?;
        output.write_all(&handle)?;
        output.write_all(&answer.unwrap_or_default())?;
        output.flush()?;
    }
}

/// Answers what QEMU wants to know until it begins; false when it goes away.
fn agree(input: &mut impl Read, output: &mut impl Write, size: u64) -> io::Result<bool> {
    const ACKNOWLEDGED: u32 = 1;
    const INFORMATION: u32 = 3;
    const UNSUPPORTED: u32 = 0x8000_0001;
    loop {
        number::<8>(input)?;
        let option = u32::from_be_bytes(number(input)?);
        let length = u32::from_be_bytes(number(input)?);
        io::copy(&mut input.take(length.into()), &mut io::sink())?;
        let mut reply = |kind: u32, data: &[u8]| -> io::Result<()> {
            output.write_all(&REPLY_MAGIC.to_be_bytes())?;
            output.write_all(&option.to_be_bytes())?;
            output.write_all(&kind.to_be_bytes())?;
            output.write_all(&(data.len() as u32).to_be_bytes())?;
            output.write_all(data)?;
            output.flush()
        };
        match option {
            2 => {
                reply(ACKNOWLEDGED, &[])?;
                return Ok(false);
            }
            6 | 7 => {
                let mut export = vec![0, 0];
                export.extend(size.to_be_bytes());
                export.extend(HAS_FLAGS_SEND_FLUSH.to_be_bytes());
                reply(INFORMATION, &export)?;
                reply(ACKNOWLEDGED, &[])?;
                if option == 7 {
                    return Ok(true);
                }
            }
            _ => reply(UNSUPPORTED, &[])?,
        }
    }
}
