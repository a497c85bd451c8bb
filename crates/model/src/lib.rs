//! The shipped source of folio's lock-free parts, run through a model checker.
//!
//! `lent.rs` compiles the very files of the library with the checker's atomics in the place of the standard library's;
//! `world.rs` is the rest of the world: memory whose pages can be exchanged, a file that is cut short, and a signal handler.
//! Each test says what must hold, and the checker runs it in every order of events (within a bound on preemptions) and
//! with every value that the memory model lets a load see.
//!
//! Nothing is here unless `--cfg folio_loom` is given to the compiler. `cargo xtask ci model` does that; it also puts mistakes into
//! copies of the source, and makes sure that each is found.

#![cfg(all(test, folio_loom))]

mod lent;
mod pages;
mod table;
mod world;
