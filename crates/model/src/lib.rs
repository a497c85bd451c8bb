//! The shipped source of folio's lock-free parts, run through a model checker.
//!
//! `lent.rs` compiles the very files of the library with the checker's atomics in the place of the standard library's;
//! `world.rs` is the rest of the world: memory whose pages can be exchanged, a file that is cut short, and a signal handler.
//! Each test says what must hold, and the checker runs it in every order of events (within a bound on preemptions) and
//! with every value that the memory model lets a load see.
//!
//! Nothing is here unless `--cfg folio_loom` is given to the compiler. `cargo xtask ci model` does that; it also removes
//! one after the other the fences and orderings that the source cannot do without, in copies, and makes sure that each is missed.

#![cfg(all(test, folio_loom))]

mod lent;
mod pages;
mod table;
mod world;
