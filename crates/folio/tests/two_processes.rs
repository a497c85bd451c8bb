//! The examples of two processes as a user meets them, and with a peer that does what it can to harm them.
#![cfg(all(target_os = "linux", not(folio_heap)))] // two processes share no heap

use folio::fault::ATOMIC_WIDTH;
use folio::{MmapViewSync, Protection, page_size};
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, fcntl_get_seals, memfd_create};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::fs::File;
use std::io::{BufRead, BufReader, IoSlice};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::os::unix::net::UnixStream;
use std::process::{Child, Output, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

#[path = "support/example.rs"]
mod example;

#[allow(dead_code, reason = "not every test uses all of it")]
#[path = "support/runner.rs"]
mod runner;

/// How long a hostile peer goes on.
const HOSTILE: Duration = Duration::from_secs(10);

/// Runs an example that ends well and complains of nothing. Its output.
#[track_caller]
fn output(name: &str, variables: &[(&str, String)]) -> String {
    let output = run(name, variables);
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn run(name: &str, variables: &[(&str, String)]) -> Output {
    let mut command = runner::command(example::binary(name));
    command.stdin(Stdio::null()).env_remove("FOLIO_RING_SECONDS").env_remove("FOLIO_RING_MESSAGES");
    command.envs(variables.iter().cloned()).output().unwrap()
}

// A ring

/// How often the reader has met something that is called so.
fn count(output: &str, what: &str) -> u64 {
    let line = output.lines().find(|line| line.contains(what));
    line.map_or(0, |line| line.split_whitespace().next().unwrap().parse().unwrap())
}

/// The output of the ring. Both of its ends change its counters, by atomic accesses; where there are none, it has to say so in a
/// line and no more, and there is no output.
#[track_caller]
fn ring(seconds: u64, messages: u64) -> Option<String> {
    let variables = [("FOLIO_RING_SECONDS", seconds.to_string()), ("FOLIO_RING_MESSAGES", messages.to_string())];
    if ATOMIC_WIDTH > 1 {
        return Some(output("ring", &variables));
    }
    let output = run("ring", &variables);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "ring: kernel copies cannot make atomic accesses\n");
    None
}

/// Truncation is a signal for who reads by plain slices, and a length that is read twice is two lengths.
#[test]
fn a_reader_survives_a_hostile_writer_of_its_ring() {
    const HARMS: [&str; 4] =
        ["a page was gone", "a counter cannot be", "the length of a message cannot be", "the checksum"];
    let all_met = |output: &str| HARMS.iter().all(|what| count(output, what) > 0);
    let Some(mut output) = ring(HOSTILE.as_secs(), 5_000) else { return };
    if !all_met(&output) {
        // Some of it is rare, and a slow or busy machine comes to little in that time.
        output = ring(6 * HOSTILE.as_secs(), 5_000).expect("it has run before");
    }
    assert!(all_met(&output), "{output}");
    assert_eq!(output.matches("5000 messages, all as they were sent").count(), 2, "{output}");
    assert!(output.contains("The reader lives"), "{output}");
}

#[test]
fn a_ring_of_no_messages_and_no_time_is_one_too() {
    let Some(output) = ring(0, 0) else { return };
    assert_eq!(output.matches("0 messages, all as they were sent").count(), 2, "{output}");
}

#[test]
fn wrong_arguments_are_errors_in_plain_words() {
    for (name, arguments) in [("ring", ["loud"].as_slice()), ("sealed", &["receive", "twice"]), ("sealed", &["loud"])] {
        let output = runner::command(example::binary(name)).args(arguments).output().unwrap();
        let errors = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), errors.lines().count()), (Some(1), 1), "{errors}");
        assert!(errors.starts_with(&format!("{name}: usage: {name}")), "{errors}");
    }
}

// Sealed memory

#[test]
fn what_is_sealed_is_read_and_all_else_is_refused() {
    let output = output("sealed", &[]);
    let answers = |answer: &str| output.lines().filter(|line| line.contains(answer)).count();
    assert_eq!((answers(" refused: "), answers(" accepted: ")), (4, 2), "{output}");
    assert_eq!(answers("20000 lines of text, the longest \"line 20000\", read twice and the same"), 2, "{output}");
    assert_eq!(answers("Operation not permitted"), 3, "{output}");
}

/// The example's receiver, with a test for its sender.
struct Receiver {
    process: Child,
    socket: UnixStream,
    answers: BufReader<UnixStream>,
}

impl Receiver {
    fn start() -> Receiver {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let mut command = runner::command(example::binary("sealed"));
        let process = command.arg("receive").stdin(Stdio::from(OwnedFd::from(theirs))).spawn().unwrap();
        let answers = BufReader::new(socket.try_clone().unwrap());
        Receiver { process, socket, answers }
    }

    /// Sends a byte with these descriptors, and waits for the answer.
    fn tell(&mut self, descriptors: &[BorrowedFd<'_>]) -> String {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !descriptors.is_empty() {
            assert!(control.push(SendAncillaryMessage::ScmRights(descriptors)));
        }
        sendmsg(&self.socket, &[IoSlice::new(b"x")], &mut control, SendFlags::empty()).unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        let len = self.answers.read_line(&mut answer).unwrap();
        assert!(len > 0, "the receiver is gone: {:?}", self.process.wait());
        answer
    }

    /// The receiver ends well when there is nothing more to come.
    fn finish(mut self) {
        drop((self.socket, self.answers));
        assert!(self.process.wait().unwrap().success());
    }
}

#[test]
fn what_is_no_memory_is_refused_and_the_next_is_looked_at() {
    let mut receiver = Receiver::start();
    let (reader, writer) = rustix::pipe::pipe().unwrap();
    let folder = File::open("/").unwrap();
    let zeros = File::open("/dev/zero").unwrap();
    let status = File::open("/proc/self/status").unwrap();
    let socket = UnixStream::pair().unwrap().0;
    for what in [reader.as_fd(), writer.as_fd(), folder.as_fd(), zeros.as_fd(), status.as_fd(), socket.as_fd()] {
        let answer = receiver.tell(&[what]);
        assert!(answer.starts_with("refused: "), "{answer}");
    }
    assert_eq!(receiver.tell(&[]), "refused: there was no descriptor\n");
    assert_eq!(receiver.tell(&[folder.as_fd(), zeros.as_fd()]), "refused: there was more than one descriptor\n");
    assert_eq!(receiver.tell(&[folder.as_fd(); 8]), "refused: there was more than one descriptor\n");

    let (descriptor, view) = folio::shm::memfd("folio-test", 3).unwrap();
    view.write_all_at(b"\xff\0\xfe", 0).unwrap();
    view.seal().unwrap();
    assert_eq!(receiver.tell(&[descriptor.as_fd()]), "accepted: 3 bytes, read twice and the same\n");
    let (descriptor, view) = folio::shm::memfd("folio-test", 0).unwrap();
    view.seal().unwrap();
    assert!(receiver.tell(&[descriptor.as_fd()]).starts_with("accepted: 0 bytes, 0 lines"));
    receiver.finish();
}

/// Numbers that nobody expects, the same ones each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// Truncates and writes by every way there is, until it is done.
fn harm(file: &File, len: u64, done: &AtomicBool) {
    let view = MmapViewSync::open(file, Protection::ReadWrite);
    let mut dice = Dice(len);
    while !done.load(Ordering::Relaxed) {
        let _ = file.set_len(dice.below(len + 1));
        let _ = file.set_len(len);
        let _ = file.write_all_at(&[dice.below(256).to_le_bytes()[0]; 100], dice.below(len));
        if let Ok(view) = &view {
            let at = usize::try_from(dice.below(len)).unwrap();
            // Where the page is gone that is an error for this one, too.
            let _ = view.store(at.min(view.len().saturating_sub(8)), dice.below(u64::MAX));
        }
    }
}

/// Memory in every state of seals, which is cut short and written while it is sent, mapped and read. What the receiver takes for
/// unchangeable has to be.
#[test]
fn a_receiver_survives_a_hostile_sender() {
    const SEALS: [SealFlags; 5] =
        [SealFlags::WRITE, SealFlags::SHRINK, SealFlags::GROW, SealFlags::FUTURE_WRITE, SealFlags::SEAL];
    let mut receiver = Receiver::start();
    let mut dice = Dice(1);
    let (mut accepted, mut refused) = (0, 0);
    let start = Instant::now();
    // Slow machines get longer to come to both.
    while start.elapsed() < HOSTILE || ((accepted == 0 || refused == 0) && start.elapsed() < 6 * HOSTILE) {
        let memory = memfd_create("folio-test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).unwrap();
        let file = File::from(memory);
        let len = 1 + dice.below(64 * page_size() as u64);
        file.set_len(len).unwrap();
        file.write_all_at(&vec![b'x'; usize::try_from(dice.below(len)).unwrap()], 0).unwrap();
        let (done, early) = (AtomicBool::new(false), dice.below(2) == 0);
        thread::scope(|threads| {
            if early {
                threads.spawn(|| harm(&file, len, &done));
            }
            let mut seals = SealFlags::empty();
            for seal in SEALS.into_iter().filter(|_| dice.below(4) > 0) {
                // Refused while it is mapped for writing, and after the last of them.
                if fcntl_add_seals(&file, seal).is_ok() {
                    seals |= seal;
                }
            }
            if !early {
                threads.spawn(|| harm(&file, len, &done));
            }
            let answer = receiver.tell(&[file.as_fd()]);
            done.store(true, Ordering::Relaxed);
            assert!(fcntl_get_seals(&file).unwrap().contains(seals));
            if seals.contains(SealFlags::WRITE | SealFlags::SHRINK) {
                accepted += 1;
                assert!(answer.starts_with("accepted: "), "{seals:?}: {answer}");
                assert!(answer.ends_with("read twice and the same\n"), "{answer}");
            } else {
                refused += 1;
                assert!(answer.starts_with("refused: "), "{seals:?}: {answer}");
            }
        });
    }
    receiver.finish();
    println!("{accepted} accepted, {refused} refused");
    assert!(accepted > 0 && refused > 0);
}
