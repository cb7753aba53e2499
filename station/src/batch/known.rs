//! The pages of the volume at hand, by what their sheets are recognised by, so that none is scanned twice unseen. Pure.

use super::PageId;
use crate::pages::Signature;

/// Signatures of the kept pages of one volume.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    volume: usize,
    pages: Vec<(u32, Signature)>,
}

impl Known {
    /// The image number of an earlier page of the volume that shows the same sheet. The latest is looked at first: that
    /// the operator forgot to change the sheet is the likeliest.
    pub(crate) fn same_sheet(&self, page: PageId, signature: &Signature) -> Option<u32> {
        let mut earlier = self.pages.iter().rev().filter(|_| page.volume == self.volume);
        earlier.find(|(_, known)| signature.is_same_sheet(known)).map(|(number, _)| *number)
    }

    /// A page was kept. Sheets are compared within a volume: a new one begins anew.
    pub(crate) fn add(&mut self, page: PageId, signature: Signature) {
        if page.volume != self.volume {
            *self = Self { volume: page.volume, pages: Vec::new() };
        }
        self.pages.push((page.number, signature));
    }
}
