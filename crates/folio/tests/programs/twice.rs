//! A program that two versions of folio are linked into. Each puts itself on top of the other, again and again.

use std::fs::File;
use std::os::unix::fs::FileExt;

/// What the program does with one version.
macro_rules! user_of {
    ($name:ident, $version:ident) => {
        mod $name {
            use $version::{Fault, MmapViewSync, Protection, fault};
            use std::fs::File;

            pub struct User {
                view: MmapViewSync,
                page: usize,
            }

            impl User {
                /// A view of two pages, of which the file has one only.
                pub fn new(file: &File) -> User {
                    let page = $version::page_size();
                    file.set_len(2 * page as u64).unwrap();
                    let view = MmapViewSync::open(file, Protection::ReadWrite).unwrap();
                    file.set_len(page as u64).unwrap();
                    User { view, page }
                }

                pub fn install(&self) -> bool {
                    let installed = fault::install().is_ok();
                    assert!(fault::is_installed() || !installed);
                    installed
                }

                pub fn assert_recovers(&self) {
                    let (view, page) = (&self.view, self.page);
                    let before = fault::count();
                    let offset = |error: std::io::Error| Fault::of(&error).expect("a fault").offset;
                    assert_eq!(offset(view.load::<u64>(page + 8).unwrap_err()), page + 8);
                    let mut buf = vec![0; 500];
                    assert_eq!(offset(view.read_exact_at(&mut buf, page - 77).unwrap_err()), page);
                    assert!(buf[..77].iter().all(|&byte| byte == 7));
                    assert_eq!(offset(view.fetch_add(page, 1_u32).unwrap_err()), page);
                    assert_eq!(offset(view.write_all_at(&[7; 9], page - 4).unwrap_err()), page);
                    // SAFETY: nobody writes the file.
                    let lent = unsafe { view.with_slice(|bytes| (bytes[page - 1], bytes[page])) };
                    assert_eq!(offset(lent.unwrap_err()), page);
                    assert_eq!(view.load::<u8>(page - 1).unwrap(), 7);
                    assert_eq!(fault::count(), before + 5, "each version counts its own faults");
                }

                /// Runs `f` in a closure that loses a page before and after.
                pub fn with_lost_page(&self, f: impl FnOnce()) {
                    // SAFETY: nobody writes the file.
                    let lent = unsafe {
                        self.view.with_slice(|bytes| {
                            assert_eq!(bytes[self.page - 1], 7);
                            f();
                            assert_eq!(bytes[self.page + 1], 0);
                        })
                    };
                    assert_eq!(Fault::of(&lent.unwrap_err()).unwrap().offset, self.page);
                }

                /// Reads the lost page as any program would.
                pub fn touch(&self) -> u8 {
                    // SAFETY: nobody writes the file. That it ends the process is the point.
                    std::hint::black_box(unsafe { self.view.as_slice() })[self.page]
                }
            }
        }
    };
}

user_of!(first, folio_first);
user_of!(second, folio_second);

fn recurse_for_ever(depth: usize) -> usize {
    let frame = [depth; 100];
    std::hint::black_box(&frame);
    if depth == usize::MAX { 0 } else { recurse_for_ever(depth + 1) + frame[depth % 100] }
}

fn file(name: &str) -> File {
    let path = std::env::temp_dir().join(format!("folio-{name}-{}", std::process::id()));
    let file = File::options().read(true).write(true).create_new(true).open(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    file.write_all_at(&vec![7; 1 << 16], 0).unwrap();
    file
}

fn main() {
    let (one, other) = (first::User::new(&file("one")), second::User::new(&file("other")));
    let mut installed = [0; 2];
    for _ in 0..20 {
        installed[0] += usize::from(one.install());
        one.assert_recovers();
        other.assert_recovers();
        installed[1] += usize::from(other.install());
        other.assert_recovers();
        one.assert_recovers();
    }
    // Each entry point of either is used once, so that nobody is called in a circle: the first one has no more of them before the
    // other, which is on top then, and stays there.
    assert_eq!(installed, [8, 20]);
    one.with_lost_page(|| other.with_lost_page(|| one.assert_recovers()));
    std::thread::spawn(|| {
        let other = second::User::new(&file("thread"));
        other.assert_recovers();
    })
    .join()
    .unwrap();

    // The first signal that is sent resets the standard library's handler, at the far end. Everybody keeps his place.
    // SAFETY: the call takes a number.
    assert_eq!(unsafe { libc::raise(libc::SIGBUS) }, 0);
    assert!(other.install());
    one.assert_recovers();
    other.assert_recovers();

    println!("recovered");
    match std::env::args().nth(1).as_deref() {
        Some("touch") => println!("read {}", one.touch()),
        Some("touch other") => println!("read {}", other.touch()),
        // SAFETY: the call takes a number.
        Some("send") => println!("sent {}", unsafe { libc::raise(libc::SIGBUS) }),
        Some("overflow") => println!("came back with {}", recurse_for_ever(0)),
        _ => println!("done"),
    }
}
