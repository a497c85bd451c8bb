//! What it takes for a page to be lost: a directory on the right file system, and a file in it that loses its pages.

use crate::cells::{Cause, Cell, Kind};
#[cfg(target_os = "linux")]
use crate::system;
#[cfg(windows)]
use crate::wine;
use folio::{MmapOptions, MmapViewSync, Protection};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tempfile::TempDir;
#[cfg(windows)]
use windows_sys::Win32::System::Memory::{PAGE_NOACCESS, VirtualProtect};

/// What has to be set up once for all cells of a cause. Taken down on drop.
pub(crate) struct Stage {
    /// Before the directory: mounts in it are taken down first.
    #[cfg(target_os = "linux")]
    _system: Option<system::Setting>,
    directory: TempDir,
}

impl Stage {
    /// `Err` with the reason if this machine has no such stage.
    pub(crate) fn new(cause: Cause) -> Result<Stage, String> {
        #[cfg(not(windows))]
        let directory = tempfile::tempdir();
        #[cfg(windows)]
        let directory = TempDir::new_in(wine::folder());
        let directory = directory.map_err(|error| error.to_string())?;
        #[cfg(target_os = "linux")]
        return Ok(Stage { _system: system::Setting::new(cause, directory.path())?, directory });
        #[cfg(not(target_os = "linux"))]
        match cause {
            #[cfg(windows)]
            Cause::Forbidden => Ok(Stage { directory }),
            #[cfg(windows)]
            Cause::CutToZero | Cause::CutMidPage | Cause::CutAtPage if !wine::is_below() => {
                Err("the system refuses to cut a mapped file short".to_owned())
            }
            Cause::CutToZero | Cause::CutMidPage | Cause::CutAtPage => Ok(Stage { directory }),
            _ => Err("the test knows how to stage it on Linux only".to_owned()),
        }
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }
}

/// The file of one cell.
pub(crate) struct Scene {
    cause: Cause,
    kind: Kind,
    path: PathBuf,
    /// Bytes per page of a mapping of the file.
    page: usize,
    len: usize,
    /// The first byte of the view that cannot be reached once the page is lost, and all from there on.
    pub(crate) lost: usize,
}

/// The name of the one file that a failing medium has.
#[cfg(target_os = "linux")]
pub(crate) const MEDIUM: &str = "medium";
/// How far behind the edge of a page the file ends when it is cut inside of one. Near the end of a large page, which an emulator
/// makes of the small ones of its machine: it has nothing to show for those of them that begin behind the end of the file.
fn inside() -> usize {
    folio::page_size() - 4096 + 100
}

/// How many bytes before the lost ones are written in a huge page, of which there is one and which is large.
const NEAR: usize = 1000;

/// What the file holds at first: never 0.
pub(crate) fn pattern(at: usize) -> u8 {
    u8::try_from(at % 251).unwrap() + 1
}

/// As much of that as any file has. Made once, and inherited by forks: an emulator takes long for it.
pub(crate) fn patterned(len: usize) -> &'static [u8] {
    static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..4 * folio::page_size()).map(pattern).collect());
    &BYTES[..len]
}

impl Scene {
    /// Makes the file.
    pub(crate) fn new(cell: &Cell, directory: &Path) -> Scene {
        let Cell { cause, kind, .. } = *cell;
        let page = match cause {
            #[cfg(target_os = "linux")]
            Cause::HugePoolDry => system::huge_page_size(),
            _ => folio::page_size(),
        };
        let (name, len, lost) = match cause {
            Cause::CutToZero => ("data", 4 * page, 0),
            Cause::CutMidPage => ("data", 4 * page, 2 * page),
            Cause::CutAtPage | Cause::FullDisk => ("data", 4 * page, page),
            Cause::HugePoolDry => ("data", 2 * page, page),
            Cause::MediumFails => ("medium", 4 * page, page),
            #[cfg(windows)]
            Cause::Forbidden => ("data", 4 * page, page),
        };
        let path = directory.join(name);
        let scene = Scene { cause, kind, path, page, len, lost };
        match cause {
            Cause::MediumFails => {}
            Cause::HugePoolDry => scene.made_anew().set_len(len as u64).unwrap(),
            Cause::FullDisk => {
                let mut file = scene.made_anew();
                file.write_all(patterned(page)).unwrap();
                file.set_len(len as u64).unwrap();
            }
            _ => scene.made_anew().write_all(patterned(len)).unwrap(),
        }
        scene
    }

    fn made_anew(&self) -> File {
        let _ = fs::remove_file(&self.path);
        OpenOptions::new().read(true).write(true).create_new(true).open(&self.path).unwrap()
    }

    /// Maps the file as the cell wants it.
    pub(crate) fn map(&self, options: &mut MmapOptions) -> std::io::Result<MmapViewSync> {
        let (protection, write) = match self.kind {
            Kind::Shared => (Protection::ReadWrite, true),
            Kind::Private => (Protection::ReadCopy, false),
            Kind::ReadOnly => (Protection::Read, false),
        };
        if self.cause == Cause::HugePoolDry {
            // Without this the kernel counts the pages now, and refuses to map more than there are.
            options.no_reserve_swap();
        }
        options.map_view(OpenOptions::new().read(true).write(write).open(&self.path).unwrap(), protection)
    }

    /// Has the pages that can be reached in their places, and no checked access made: the first one is the cell's.
    pub(crate) fn prime(&self, view: &mut MmapViewSync) {
        match self.cause {
            Cause::CutToZero | Cause::CutMidPage | Cause::CutAtPage => {
                // SAFETY: nobody writes the file.
                let bytes = unsafe { view.as_slice() };
                assert!((0..self.len).step_by(self.page).all(|at| bytes[at] == pattern(at)));
            }
            Cause::HugePoolDry if self.kind == Kind::ReadOnly => {
                // The page is the file's.
                let file = OpenOptions::new().read(true).write(true).open(&self.path).unwrap();
                let mut options = MmapOptions::new();
                let mut writer = options.no_reserve_swap().map_view(&file, Protection::ReadWrite).unwrap();
                self.take_the_page(&mut writer);
            }
            Cause::HugePoolDry => self.take_the_page(view),
            Cause::FullDisk | Cause::MediumFails => {}
            #[cfg(windows)]
            Cause::Forbidden => {}
        }
    }

    /// Takes the only huge page of the pool.
    #[allow(clippy::needless_range_loop, reason = "the place is what is checked")]
    fn take_the_page(&self, view: &mut MmapViewSync) {
        // SAFETY: nobody else has the file, and the pages can be written.
        let bytes = unsafe { view.as_mut_slice() };
        for at in self.page - NEAR..self.page {
            bytes[at] = pattern(at);
        }
    }

    /// How long the file is when it has been cut short.
    fn cut_length(&self) -> Option<usize> {
        match self.cause {
            Cause::CutToZero => Some(0),
            Cause::CutMidPage => Some(self.page + inside()),
            Cause::CutAtPage => Some(self.page),
            _ => None,
        }
    }

    /// The byte that is at `at`, before the lost ones.
    pub(crate) fn byte(&self, at: usize) -> u8 {
        match self.cause {
            Cause::CutMidPage if at >= self.page + inside() => 0,
            Cause::HugePoolDry if at < self.page - NEAR => 0,
            _ => pattern(at),
        }
    }

    /// A word of such bytes.
    pub(crate) fn word(&self, at: usize) -> u64 {
        u64::from_ne_bytes(std::array::from_fn(|byte| self.byte(at + byte)))
    }
}

/// Loses the pages of these views, each of which maps its scene's file.
#[cfg(unix)]
pub(crate) fn lose(views: &[(&Scene, &MmapViewSync)]) {
    for (scene, _) in views {
        if let Some(len) = scene.cut_length() {
            OpenOptions::new().write(true).open(&scene.path).unwrap().set_len(len as u64).unwrap();
        }
        if scene.cause == Cause::FullDisk {
            fill_disk(&scene.path.with_file_name("filler"));
        }
    }
}

/// Loses the pages of these views, each of which maps its scene's file; all of them have one cause.
#[cfg(windows)]
pub(crate) fn lose(views: &[(&Scene, &MmapViewSync)]) {
    let Some((scene, _)) = views.first() else { return };
    if let Some(len) = scene.cut_length() {
        let paths: Vec<&Path> = views.iter().map(|(scene, _)| &*scene.path).collect();
        wine::cut(&paths, len);
    }
    for (scene, view) in views.iter().filter(|(scene, _)| scene.cause == Cause::Forbidden) {
        let (address, len) = (view.as_ptr().wrapping_add(scene.lost), view.len() - scene.lost);
        let mut before = 0;
        // SAFETY: these pages are the view's, and to those that may not be touched there are no references.
        assert_ne!(unsafe { VirtualProtect(address.cast(), len, PAGE_NOACCESS, &raw mut before) }, 0);
    }
}

/// Writes until there is no room left.
#[cfg(unix)]
fn fill_disk(path: &Path) {
    let mut file = File::create(path).unwrap();
    let block = patterned(folio::page_size());
    loop {
        if let Err(error) = file.write(block) {
            assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
            return;
        }
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.path.with_file_name("filler"));
        if self.cause != Cause::MediumFails {
            let _ = fs::remove_file(&self.path);
        }
    }
}
