//! What several integration tests share. Each uses a part of it.
#![allow(dead_code, reason = "no test uses all of it")]

#[cfg(target_os = "linux")]
pub(crate) mod action;
pub(crate) mod child;
pub(crate) mod lost;
