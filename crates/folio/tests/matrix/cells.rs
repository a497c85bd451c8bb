//! The cells of the matrix: their names, and which of them folio refuses, by which error and why.

use std::fmt;
use std::io::ErrorKind;

macro_rules! axis {
    ($(#[$doc:meta])* $name:ident { $($(#[$of:meta])* $value:ident = $text:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum $name { $($(#[$of])* $value,)+ }

        impl $name {
            pub(crate) const ALL: &'static [$name] = &[$($(#[$of])* $name::$value,)+];
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self { $($(#[$of])* $name::$value => $text,)+ })
            }
        }
    };
}

axis! {
    /// Why a page cannot be reached.
    Cause {
        CutToZero = "file cut to zero",
        CutMidPage = "file cut inside a page",
        CutAtPage = "file cut at a page's edge",
        FullDisk = "hole on a full disk",
        HugePoolDry = "pool of huge pages run dry",
        MediumFails = "page that answers EIO",
        #[cfg(windows)]
        Forbidden = "page that may not be touched",
    }
}

axis! {
    /// What meets the lost page.
    Call {
        ReadExactAt = "read_exact_at",
        WriteAllAt = "write_all_at",
        Load = "load",
        Store = "store",
        LoadAcquire = "load_acquire",
        StoreRelease = "store_release",
        CompareExchange = "compare_exchange",
        FetchAdd = "fetch_add",
        Reader = "reader",
        WithSlice = "with_slice",
        WithSliceMut = "with_slice_mut",
        ZeroFill = "zero-fill",
    }
}

axis! {
    /// How the file is mapped.
    Kind {
        Shared = "shared",
        Private = "private copy",
        ReadOnly = "read-only",
    }
}

axis! {
    /// Where the access is made.
    Place {
        Main = "main thread",
        Spawned = "spawned thread",
        SmallStack = "smallest stack",
        Blocked = "all signals blocked",
    }
}

axis! {
    /// By which of the two ways.
    Way {
        Routines = "routines",
        KernelCopies = "kernel copies",
    }
}

/// One cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Cell {
    pub(crate) cause: Cause,
    pub(crate) call: Call,
    pub(crate) kind: Kind,
    pub(crate) place: Place,
    pub(crate) way: Way,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} x {} x {} x {} x {}", self.cause, self.call, self.kind, self.place, self.way)
    }
}

impl Cell {
    /// Every cell of a cause, none left out.
    pub(crate) fn of(cause: Cause) -> impl Iterator<Item = Cell> {
        Call::ALL.iter().flat_map(move |&call| {
            Kind::ALL.iter().flat_map(move |&kind| {
                Place::ALL
                    .iter()
                    .flat_map(move |&place| Way::ALL.iter().map(move |&way| Cell { cause, call, kind, place, way }))
            })
        })
    }

    /// Why there is no such cell on this system, if there is none.
    pub(crate) fn impossible(&self) -> Option<&'static str> {
        #[cfg(windows)]
        if self.place == Place::Blocked {
            return Some("no thread can block an exception");
        } else if self.cause == Cause::Forbidden && self.way == Way::KernelCopies && crate::wine::is_below() {
            return Some("Wine's ReadProcessMemory reads past the protection of a page");
        }
        None
    }

    /// The error with which folio refuses what the cell asks for, and the reason; `None` where the access has to be survived.
    pub(crate) fn refusal(&self) -> Option<(ErrorKind, &'static str)> {
        let routines = self.way == Way::Routines && folio::fault::ATOMIC_WIDTH > 1;
        let zero_fills = routines && cfg!(any(target_os = "linux", target_os = "android"));
        let writes = matches!(
            self.call,
            Call::WriteAllAt
                | Call::Store
                | Call::StoreRelease
                | Call::CompareExchange
                | Call::FetchAdd
                | Call::WithSliceMut
        );
        let atomic =
            matches!(self.call, Call::LoadAcquire | Call::StoreRelease | Call::CompareExchange | Call::FetchAdd);
        if writes && self.kind == Kind::ReadOnly {
            Some((ErrorKind::PermissionDenied, "nothing is written to a read-only mapping"))
        } else if atomic && !routines {
            Some((ErrorKind::Unsupported, "the kernel's copies make no atomic access"))
        } else if self.call == Call::ZeroFill && !zero_fills {
            Some((
                ErrorKind::Unsupported,
                "zeros take the place of a page by the handler, which kernel copies do without",
            ))
        } else {
            None
        }
    }
}
