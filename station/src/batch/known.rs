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
    /// The image number of an earlier page of the volume that shows the same sheet: the very same picture if there is one. The
    /// latest is looked at first: that the operator forgot to change the sheet is the likeliest.
    pub(crate) fn same_sheet(&self, page: PageId, signature: &Signature) -> Option<u32> {
        let earlier = || self.pages.iter().rev().filter(|_| page.volume == self.volume);
        let same_picture = earlier().find(|(_, known)| signature.is_same_picture(known));
        let same_sheet = || earlier().find(|(_, known)| signature.is_same_sheet(known));
        same_picture.or_else(same_sheet).map(|(number, _)| *number)
    }

    /// A page was kept. Sheets are compared within a volume: a new one begins anew.
    pub(crate) fn add(&mut self, page: PageId, signature: Signature) {
        if page.volume != self.volume {
            *self = Self { volume: page.volume, pages: Vec::new() };
        }
        self.pages.push((page.number, signature));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::Grey;

    /// A written page, moved across by so much.
    fn signature(across: usize) -> Signature {
        let (width, height) = (620, 877);
        let mut data = vec![0u8; width * height];
        let mut state = 1u32;
        for (line, letter) in (0..30).flat_map(|line| (0..26).map(move |letter| (line, letter))) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let (x, y) = (60 + letter * 18 + across, 80 + line * 25 + (state >> 28) as usize % 12);
            (y..y + 4).for_each(|y| data[y * width + x..][..4 + (state >> 20) as usize % 10].fill(50));
        }
        let ink = Grey { width, height, dpi: 75.0, data };
        let (w, h) = (width as f64, height as f64);
        Signature::new(Signature::fingerprint(&ink), &ink, |_| false, 0.0, &[(0.0, 0.0), (w, 0.0), (w, h), (0.0, h)])
    }

    #[test]
    fn the_very_same_picture_is_named_before_a_later_one_that_shows_the_same_sheet() {
        let page = |number| PageId { volume: 0, number };
        let mut known = Known::default();
        known.add(page(1), signature(0));
        known.add(page(2), signature(8));
        assert_eq!(known.same_sheet(page(3), &signature(0)), Some(1));
        assert_eq!(known.same_sheet(page(3), &signature(16)), Some(2), "the latest that is like it");
        assert_eq!(known.same_sheet(PageId { volume: 1, number: 1 }, &signature(0)), None, "of another volume");
    }
}
