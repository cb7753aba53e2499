//! Whether a faint patch is ink on this side of the sheet, which is as sharp as the scan, or shows through from the other
//! side, which the paper has blurred by 0.15 mm and more. Single steps between neighbours do not tell: among hundreds of
//! soft patches the grain makes some of them steep. So the whole patch is asked how much of it changes from pixel to pixel,
//! against what changes over three times that way, each less what the bare paper beside it does.

use crate::pages::{geometry::View, ink::InkMap, reduce::luma};
use platen_protocol::uplink::ColourMode;
use std::collections::BTreeMap;

/// Pixels of this resolution are asked; finer scans are asked at as large steps.
const DPI: u32 = 300;
/// Below this resolution print is as soft as what shows through.
const LEAST_DPI: u32 = 190;
/// Ink has more than this share of its changes between neighbours; more of them than this share of the square of its depth; and
/// more than this many standard deviations of what bare paper has. The share is exceeded surely: by three of them. Strokes of
/// any width that were blurred by 0.6 pixels have a share of 0.063 and more; blurred by 0.15 mm, at most 0.03 at 300 dpi and 0.055 at 200 (summed over bells).
const SHARE: f32 = 0.06;
/// Mirrored at a JPEG's blocks less of a stroke is left over three pixels. At 0.06 soft ones go beyond it, at 0.09 seven of eight
/// strokes of pencil do not.
const SHARE_IN_BLOCKS: f32 = 0.07;
/// Where all that is doubtful is asked together and has so many blocks, what rounding does to each comes out in the mean.
const SHARE_IN_MANY: f32 = 0.048;
const MANY_BLOCKS: usize = 30;
const OF_DEPTH: f32 = 0.05;
const SURE: f32 = 5.0;
const SURELY: f32 = 3.0;
/// For each patch that is asked (natural logarithm), so many more: 3.8 of 20 patches, 4.2 of 100, are as rare as 3 of one.
const MORE_SURELY: f32 = 0.26;
/// Pixels a side of a JPEG's blocks. Where bare paper steps so many times more between them than within, they were rounded.
const BLOCK: usize = 8;
const BREAKS: f32 = 1.15;
/// So many pixels of the ink's picture are asked of a patch, and of the paper.
const SAMPLE: usize = 4_096;
/// Fewer of bare paper say nothing.
const LEAST_PAPER: usize = 200;
/// As bright as a pixel can be. Where more of the paper is, no more grain is made up.
const WHITE: i32 = 255;
const MOST_CLIPPED: f32 = 0.8;

/// How sharp things are on one page.
pub(super) struct Sharpness<'a> {
    page: View<'a>,
    /// Width of the ink's picture, and how many pixels of the page one of it has.
    width: usize,
    scale: usize,
    step: usize,
    /// Whether the page was a JPEG whose blocks do not continue each other.
    in_blocks: bool,
    /// What bare paper does from pixel to pixel and over three, if that can be told.
    paper: Option<Changes>,
}

/// What is asked about at once.
#[derive(Debug, Clone, Copy)]
pub(super) enum Asked {
    /// One of so many patches. The more are asked, the further one of them goes by chance.
    OneOf(usize),
    /// All that is doubtful on the page.
    Together,
}

/// Squares of second differences, summed or in the mean, and from how many pixels.
#[derive(Debug, Clone, Copy, Default)]
struct Changes {
    near: f32,
    far: f32,
    pixels: usize,
}

impl Changes {
    fn add(&mut self, near: f32, far: f32) {
        self.near += near;
        self.far += far;
        self.pixels += 1;
    }

    fn mean_of<'a>(all: impl Iterator<Item = &'a Self>) -> Self {
        let sum = |sum: Self, one: &Self| Self {
            near: sum.near + one.near,
            far: sum.far + one.far,
            pixels: sum.pixels + one.pixels,
        };
        all.fold(Self::default(), sum).mean()
    }

    fn mean(self) -> Self {
        let n = self.pixels.max(1) as f32;
        Self { near: self.near / n, far: self.far / n, ..self }
    }

    /// Of a patch so much darker than `paper`, the bare paper beside it, one of `patches`.
    fn are_of_ink(&self, paper: Self, share: f32, depth: u8, patches: usize) -> bool {
        let near = self.near - paper.near;
        near > SURE * self.chance(paper)
            && near > OF_DEPTH * f32::from(depth).powi(2)
            && self.are_sharp(paper, share, patches)
    }

    /// Whether more than a `share` of what changes does so from pixel to pixel, surely.
    fn are_sharp(&self, paper: Self, share: f32, patches: usize) -> bool {
        let (near, far) = (self.near - paper.near, self.far - paper.far);
        let surely = SURELY + MORE_SURELY * (patches as f32).ln();
        near - surely * self.chance(paper) > share * far
    }

    /// The standard deviation of what bare paper has nearby, in as many pixels.
    fn chance(&self, paper: Self) -> f32 {
        // Neighbouring second differences have pixels in common: about one in three says something of its own.
        paper.near * (2.0 * 3.0 / self.pixels.max(1) as f32).sqrt()
    }

    /// What the grain is where it is not cut off: of bare paper, `clipped` of whose pixels (0 to 1) are as bright as a scan can tell.
    fn unclipped(self, clipped: f32) -> Self {
        // The variance that a bell has left when so much of it is laid onto one level.
        let left = (1.0 - clipped.min(MOST_CLIPPED)).powf(1.55);
        Self { near: self.near / left, far: self.far / left, ..self }
    }
}

impl<'a> Sharpness<'a> {
    /// `on_paper` says whether a pixel of the ink's picture lies on the sheet.
    pub(super) fn new(page: &View<'a>, ink: &InkMap, on_paper: impl Fn(usize) -> bool) -> Self {
        let coarse = &ink.coarse;
        let (w, h) = (coarse.width, coarse.height);
        let mut sharpness = Self {
            page: *page,
            width: w,
            scale: (f64::from(page.dpi) / f64::from(coarse.dpi)).round().max(1.0) as usize,
            step: (page.dpi / DPI).max(1) as usize,
            in_blocks: false,
            paper: None,
        };
        let bare = |i: &usize| {
            let (x, y) = (i % w, i / w);
            let all = x >= 2 && y >= 2 && x + 2 < w && y + 2 < h;
            let near = || (y - 2..=y + 2).all(|y| coarse.data[y * w + x - 2..=y * w + x + 2].iter().all(|&v| v == 0));
            all && near() && !ink.is_masked(*i) && on_paper(*i)
        };
        // Lineart has no soft edges.
        if page.mode == ColourMode::Lineart || page.dpi < LEAST_DPI {
            return sharpness;
        }
        // An odd step: the sample must not stay in some columns of the picture.
        let clean: Vec<usize> = (0..w * h).step_by((w * h / (4 * SAMPLE)) | 1).filter(bare).collect();
        sharpness.in_blocks = sharpness.step == 1 && sharpness.breaks_at_blocks(&clean);
        let paper = || sharpness.changes(&clean).unclipped(sharpness.clipped(&clean));
        sharpness.paper = (clean.len() >= LEAST_PAPER).then(paper);
        sharpness
    }

    /// Whether a patch, in pixels of the ink's picture, is as sharp as ink so much darker than its surroundings is. In doubt
    /// it is.
    pub(super) fn is_ink(&self, patch: &[usize], depth: u8, asked: Asked) -> bool {
        let Some(paper) = self.paper else { return true };
        let patches = if let Asked::OneOf(patches) = asked { patches } else { 1 };
        if !self.in_blocks {
            return self.changes(patch).are_of_ink(paper, SHARE, depth, patches);
        }
        let blocks = self.by_block(patch);
        let many = matches!(asked, Asked::Together) && blocks.len() >= MANY_BLOCKS;
        let share = if many { SHARE_IN_MANY } else { SHARE_IN_BLOCKS };
        let excess = |block: &Changes| block.near - share * block.far;
        let sharpest = blocks.iter().max_by(|a, b| excess(a.1).total_cmp(&excess(b.1))).map(|(&at, _)| at);
        let others = blocks.iter().filter(|&(&at, _)| Some(at) != sharpest);
        Changes::mean_of(blocks.values()).are_of_ink(paper, share, depth, patches)
            && Changes::mean_of(others.map(|(_, block)| block)).are_sharp(paper, share, patches)
    }

    fn changes(&self, places: &[usize]) -> Changes {
        let mut changes = Changes::default();
        self.each(places, |_, near, far| changes.add(near, far));
        changes.mean()
    }

    /// Sums for each block of a JPEG, by its place.
    fn by_block(&self, places: &[usize]) -> BTreeMap<(usize, usize), Changes> {
        let mut blocks = BTreeMap::<_, Changes>::new();
        self.each(places, |(x, y), near, far| blocks.entry((x / BLOCK, y / BLOCK)).or_default().add(near, far));
        blocks
    }

    /// The share of some places that is as bright as it can be.
    fn clipped(&self, places: &[usize]) -> f32 {
        let white = |&&i: &&usize| self.at(i % self.width * self.scale, i / self.width * self.scale) >= WHITE;
        places.iter().filter(white).count() as f32 / places.len().max(1) as f32
    }

    /// How much changes at each pixel of some places, nearby and further away.
    fn each(&self, places: &[usize], mut add: impl FnMut((usize, usize), f32, f32)) {
        for i in places.iter().step_by(places.len() / SAMPLE + 1) {
            let (left, top) = (i % self.width * self.scale, i / self.width * self.scale);
            for y in (top..top + self.scale).step_by(self.step) {
                for x in (left..left + self.scale).step_by(self.step) {
                    if let (Some(near), Some(far)) = (self.bend(x, y, self.step), self.bend(x, y, 3 * self.step)) {
                        add((x, y), near, far);
                    }
                }
            }
        }
    }

    /// Squares of the second differences across and down at a pixel, over so many pixels.
    fn bend(&self, x: usize, y: usize, over: usize) -> Option<f32> {
        if x < over || y < over || x + over >= self.page.width || y + over >= self.page.height {
            return None;
        }
        let here = 2 * self.at(x, y);
        let ((left, right), (above, below)) = (self.beside(x, over), self.beside(y, over));
        let (across, down) =
            (here - self.at(left, y) - self.at(right, y), here - self.at(x, above) - self.at(x, below));
        Some((across * across + down * down) as f32)
    }

    /// The neighbours on both sides; of a JPEG mirrored at the sides of the block, as its waves are: soft ones that were
    /// rounded differently in two blocks would be sharp between them.
    fn beside(&self, at: usize, over: usize) -> (usize, usize) {
        let (before, after) = (at - over, at + over);
        if !self.in_blocks {
            return (before, after);
        }
        let (from, to) = (at / BLOCK * BLOCK, at / BLOCK * BLOCK + BLOCK - 1);
        (
            if before < from { 2 * from - 1 - before } else { before },
            if after > to { 2 * to + 1 - after } else { after },
        )
    }

    /// Whether bare paper steps more from one block to the next than within them.
    fn breaks_at_blocks(&self, bare: &[usize]) -> bool {
        let (mut steps, mut pairs) = ([0i32; BLOCK], [0i32; BLOCK]);
        for i in bare {
            let (left, top) = (i % self.width * self.scale, i / self.width * self.scale);
            for y in top..top + self.scale {
                for x in left..left + self.scale {
                    steps[x % BLOCK] += (self.at(x, y) - self.at(x + 1, y)).abs();
                    pairs[x % BLOCK] += 1;
                }
            }
        }
        let mean = |phase: usize| steps[phase] as f32 / pairs[phase].max(1) as f32;
        let within = (0..BLOCK - 1).map(mean).sum::<f32>() / (BLOCK - 1) as f32;
        mean(BLOCK - 1) > BREAKS * within
    }

    /// Brightness: a JPEG's colours are coarser than it.
    fn at(&self, x: usize, y: usize) -> i32 {
        let bands = if self.page.mode == ColourMode::Colour { 3 } else { 1 };
        i32::from(luma(&self.page.row(y)[bands * x..bands * (x + 1)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pages::{Image, reduced};
    use image::{ExtendedColorType, ImageEncoder, codecs::jpeg::JpegEncoder};

    /// A page with grain of 1.2 levels and faint upright strokes of 0.5 by 4 mm, so many levels dark, whose sides are as soft as
    /// a bell of so many mm.
    fn page(dpi: u32, depth: f64, soft_mm: f64) -> Image {
        page_on((225.0, 2.0 / 3f64.sqrt()), dpi, depth, soft_mm)
    }

    /// The same on paper of so many levels, with grain of so many.
    fn page_on((paper, grain): (f64, f64), dpi: u32, depth: f64, soft_mm: f64) -> Image {
        let mm = f64::from(dpi) / 25.4;
        let (width, height) = ((70.0 * mm) as usize, (60.0 * mm) as usize);
        // Like the integral of a bell.
        let side = |mm: f64| 1.0 / (1.0 + (-1.7 * mm / soft_mm).exp());
        let bar = |at: f64, length: f64| side(at + length / 2.0) * side(length / 2.0 - at);
        let mut state = 1u32;
        let data = (0..width * height).map(|i| {
            let (x, y) = ((i % width) as f64 / mm, (i / width) as f64 / mm);
            let (across, down) = (x.rem_euclid(5.0) - 2.5, y.rem_euclid(10.0) - 5.0);
            let inked = (10.0..60.0).contains(&x) && (10.0..50.0).contains(&y);
            let ink = if inked { depth * bar(across, 0.5) * bar(down, 4.0) } else { 0.0 };
            let noise = (0..4).map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                f64::from(state >> 16) / 65_536.0 - 0.5
            });
            (paper - ink + grain * 3f64.sqrt() * noise.sum::<f64>()).round() as u8
        });
        Image { mode: ColourMode::Grey, width, height, dpi, data: data.collect() }
    }

    /// How many of the strokes are ink, of how many that were seen as patches.
    fn inked(page: &Image) -> (usize, usize) {
        let ink = InkMap::new(&reduced(&page.view()));
        let sharpness = Sharpness::new(&page.view(), &ink, |_| true);
        let mut seen = vec![false; ink.coarse.data.len()];
        let (mut inked, mut patches, mut patch) = (0, 0, Vec::new());
        for i in 0..seen.len() {
            if !seen[i] && ink.coarse.data[i] > super::super::DARK {
                super::super::gather(&ink.coarse, i, &mut seen, &mut patch);
                if patch.len() > 5 {
                    patches += 1;
                    inked += usize::from(sharpness.is_ink(
                        &patch,
                        super::super::depth(&ink.coarse, &patch),
                        Asked::OneOf(1),
                    ));
                }
            }
        }
        (inked, patches)
    }

    #[test]
    fn pencil_is_as_sharp_as_the_scan_and_what_shows_through_is_not() {
        for dpi in [200, 300, 600] {
            // A scanner blurs by less than a pixel. One stroke in two is enough to keep a page from being called blank.
            let (pencil, strokes) = inked(&page(dpi, 30.0, 0.5 * 25.4 / f64::from(dpi)));
            assert!(strokes >= 30 && 2 * pencil >= strokes, "{pencil} of {strokes} at {dpi} dpi");
            let (through, strokes) = inked(&page(dpi, 40.0, 0.2));
            assert!(strokes >= 30 && through == 0, "{through} of {strokes} at {dpi} dpi");
        }
    }

    #[test]
    fn grain_that_is_cut_off_at_white_makes_nothing_sharp() {
        for dpi in [200, 300] {
            // Nearly half of the paper's pixels are as bright as they can be; where something shows through, all grain is left.
            let (through, strokes) = inked(&page_on((254.0, 4.5), dpi, 30.0, 0.2));
            assert!(strokes >= 30 && through == 0, "{through} of {strokes} at {dpi} dpi");
            let (pencil, strokes) = inked(&page_on((254.0, 1.2), dpi, 30.0, 0.5 * 25.4 / f64::from(dpi)));
            assert!(strokes >= 30 && 4 * pencil >= strokes, "{pencil} of {strokes} at {dpi} dpi");
        }
    }

    /// The page as a JPEG of such a quality has it.
    fn through_jpeg(page: Image, quality: u8) -> Image {
        let mut file = Vec::new();
        let encoder = JpegEncoder::new_with_quality(&mut file, quality);
        let (width, height) = (page.width as u32, page.height as u32);
        encoder.write_image(&page.data, width, height, ExtendedColorType::L8).unwrap();
        Image { data: image::load_from_memory(&file).unwrap().into_luma8().into_raw(), ..page }
    }

    #[test]
    fn a_jpegs_blocks_sharpen_nothing_and_leave_pencil_sharp() {
        for (dpi, quality) in [(200, 35), (200, 60), (200, 85), (300, 35), (300, 60), (300, 85)] {
            let (through, strokes) = inked(&through_jpeg(page(dpi, 40.0, 0.2), quality));
            assert!(strokes >= 30 && through == 0, "{through} of {strokes} at {dpi} dpi, quality {quality}");
            let pencil = page(dpi, 30.0, 0.5 * 25.4 / f64::from(dpi));
            let (pencil, strokes) = inked(&through_jpeg(pencil, quality));
            // What the quality has cost nobody can tell any more; one stroke is enough.
            assert!(strokes >= 30 && 4 * pencil >= strokes, "{pencil} of {strokes} at {dpi} dpi, quality {quality}");
        }
    }

    #[test]
    fn one_block_that_was_rounded_up_makes_no_stroke_sharp() {
        let dpi = 300;
        let mut page = through_jpeg(page(dpi, 40.0, 0.2), 60);
        let px = |mm: f64| (mm * f64::from(dpi) / 25.4) as usize / BLOCK * BLOCK;
        // A fine wave in the block at the middle of each stroke.
        for (left, top) in
            (0..10).flat_map(|i| (0..4).map(move |j| (12.5 + 5.0 * f64::from(i), 15.0 + 10.0 * f64::from(j))))
        {
            for (x, y) in (0..BLOCK * BLOCK).map(|i| (px(left) + i % BLOCK, px(top) + i / BLOCK)) {
                page.data[y * page.width + x] += if x % 2 == 0 { 5 } else { 0 };
            }
        }
        let (through, strokes) = inked(&page);
        assert!(strokes >= 30 && through == 0, "{through} of {strokes}");
    }

    #[test]
    fn where_sharpness_says_nothing_all_is_ink() {
        let coarse = page(150, 40.0, 0.2);
        let (ink, strokes) = inked(&coarse);
        assert_eq!(ink, strokes);
    }

    #[test]
    fn one_of_a_hundred_soft_patches_that_looks_sharp_is_no_ink() {
        let paper = Changes { near: 10.0, far: 10.0, pixels: 4_096 };
        // A share of 0.11, of which 0.016 is one standard deviation.
        let patch = Changes { near: 27.6, far: 170.0, pixels: 96 };
        assert!(patch.are_of_ink(paper, SHARE, 12, 1));
        assert!(!patch.are_of_ink(paper, SHARE, 12, 100));
        let sharp = Changes { near: 35.0, ..patch };
        assert!(sharp.are_of_ink(paper, SHARE, 12, 100));
    }

    #[test]
    fn a_bell_that_is_cut_off_is_known_for_what_it_was() {
        // Variances left of one, by the integral of the bell.
        for (clipped, left) in [(0.0, 1.0), (0.1, 0.837), (0.3, 0.564), (0.5, 0.341), (0.7, 0.164)] {
            let grain = Changes { near: 100.0 * left, far: 100.0 * left, pixels: 1 }.unclipped(clipped);
            assert!((grain.near - 100.0).abs() < 7.0 && grain.far == grain.near, "{clipped}: {grain:?}");
        }
    }
}
