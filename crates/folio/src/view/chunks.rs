//! The iterator behind `into_chunks`.

#![forbid(unsafe_code)]

use super::{Access, View};
use std::iter::FusedIterator;
use std::mem;

/// Owned pieces of one view, in order. Made by [`View::into_chunks`].
///
/// # Examples
///
/// ```
/// let mut pieces = folio::MmapViewSync::anonymous(100)?.into_chunks(30)?;
/// assert_eq!(pieces.len(), 4);
/// let (first, last) = (pieces.next().unwrap(), pieces.next_back().unwrap());
/// assert_eq!((first.len(), last.len()), (30, 10));
/// assert_eq!(pieces.into_rest().unwrap().len(), 60);
/// # std::io::Result::Ok(())
/// ```
#[derive(Debug)]
#[must_use = "the pieces are made as the iterator is asked for them"]
pub struct IntoChunks<A: Access> {
    /// What has not been given out; `None` when that is nothing.
    rest: Option<View<A>>,
    /// Bytes of each piece but the last; not 0.
    len: usize,
}

impl<A: Access> IntoChunks<A> {
    pub(super) fn new(view: View<A>, len: usize) -> Self {
        IntoChunks { rest: Some(view).filter(|view| !view.is_empty()), len }
    }

    /// What has not been given out yet, as one view; `None` when everything has.
    #[must_use = "to drop what is left, drop the iterator"]
    pub fn into_rest(self) -> Option<View<A>> {
        self.rest
    }
}

impl<A: Access> Iterator for IntoChunks<A> {
    type Item = View<A>;

    fn next(&mut self) -> Option<View<A>> {
        let rest = self.rest.as_mut()?;
        if rest.len() <= self.len {
            return self.rest.take();
        }
        let tail = rest.cut(self.len);
        Some(mem::replace(rest, tail))
    }

    /// Skips `n` pieces without making them.
    fn nth(&mut self, n: usize) -> Option<View<A>> {
        let rest = self.rest.as_mut()?;
        match n.checked_mul(self.len).filter(|&skip| skip < rest.len()) {
            Some(skip) => rest.narrow(skip, rest.len() - skip),
            None => self.rest = None,
        }
        self.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let left = self.rest.as_ref().map_or(0, |rest| rest.len().div_ceil(self.len));
        (left, Some(left))
    }
}

impl<A: Access> DoubleEndedIterator for IntoChunks<A> {
    fn next_back(&mut self) -> Option<View<A>> {
        let rest = self.rest.as_mut()?;
        if rest.len() <= self.len {
            return self.rest.take();
        }
        // The start of the last piece: the last multiple of the piece length that is below the length.
        let last = (rest.len() - 1) / self.len * self.len;
        Some(rest.cut(last))
    }
}

impl<A: Access> ExactSizeIterator for IntoChunks<A> {}
impl<A: Access> FusedIterator for IntoChunks<A> {}
