//! A page under way: how fast its lines come, and what is in them.

use crate::{
    desk::{Desk, Fault},
    page::Page,
};
use sane_sys::{Parameters, frame};
use std::{ffi::c_int, time::Instant};

/// A page under way.
pub(crate) struct Scan {
    pub(crate) page: Page,
    pub(crate) parameters: Parameters,
    /// Bytes given so far, and in all.
    pub(crate) at: usize,
    pub(crate) total: usize,
    pub(crate) began: Instant,
    pub(crate) sensed: Instant,
    /// Dots per inch of the lines given.
    pub(crate) resolution: c_int,
    pub(crate) fault: Option<(usize, Fault)>,
    pub(crate) flat: bool,
    pub(crate) row: Vec<u8>,
    pub(crate) row_number: Option<usize>,
    pub(crate) ended: bool,
}

impl Scan {
    /// How many bytes the moving light has passed and a read may get now.
    pub(crate) fn ready(&self, desk: &Desk, asked: usize) -> usize {
        let passed = if desk.settings.ppm > 0.0 {
            let share = self.began.elapsed().as_secs_f64() * desk.settings.ppm / 60.0;
            (share.min(1.0) * self.total as f64) as usize
        } else {
            self.total
        };
        let most = if desk.settings.chunk == 0 { asked } else { asked.min(desk.settings.chunk) };
        passed.saturating_sub(self.at).min(most)
    }

    pub(crate) fn fill(&mut self, out: &mut [u8], left_mm: f64, top_mm: f64) -> std::io::Result<()> {
        let p = self.parameters;
        let line = self.row.len();
        let native = p.format == frame::RGB
            && line == self.page.width as usize * 3
            && self.resolution.unsigned_abs() == self.page.dpi
            && left_mm == 0.0
            && top_mm == 0.0;
        if native && !self.flat {
            self.page.pixels(self.at, out)?;
            self.at += out.len();
            return Ok(());
        }
        let mut done = 0;
        while done < out.len() {
            let row = self.at / line;
            if self.row_number != Some(row) {
                self.make_row(row, left_mm, top_mm)?;
                self.row_number = Some(row);
            }
            let from = self.at % line;
            let n = (line - from).min(out.len() - done);
            out[done..done + n].copy_from_slice(&self.row[from..from + n]);
            done += n;
            self.at += n;
        }
        Ok(())
    }

    fn make_row(&mut self, row: usize, left_mm: f64, top_mm: f64) -> std::io::Result<()> {
        if self.flat {
            self.row.fill(0x80);
            return Ok(());
        }
        let scale = f64::from(self.page.dpi) / f64::from(self.resolution);
        let from = |mm: f64, n: usize| (mm / 25.4 * f64::from(self.page.dpi) + n as f64 * scale) as usize;
        let width = self.page.width as usize;
        let y = from(top_mm, row);
        let mut source = vec![255; width * 3];
        if y < self.page.height as usize {
            self.page.pixels(y * width * 3, &mut source)?;
        }
        let pixel = |x: usize| {
            source.get(from(left_mm, x) * 3..).and_then(|s| s.first_chunk::<3>()).copied().unwrap_or([255; 3])
        };
        let grey = |[r, g, b]: [u8; 3]| ((u32::from(r) * 77 + u32::from(g) * 150 + u32::from(b) * 29) >> 8) as u8;
        let pixels = self.parameters.pixels_per_line as usize;
        match (self.parameters.format, self.parameters.depth) {
            (frame::RGB, _) => {
                for (x, out) in self.row.chunks_exact_mut(3).take(pixels).enumerate() {
                    out.copy_from_slice(&pixel(x));
                }
            }
            (frame::GRAY, 1) => {
                self.row.fill(0);
                for x in (0..pixels).filter(|&x| grey(pixel(x)) < 128) {
                    self.row[x / 8] |= 0x80 >> (x % 8);
                }
            }
            (frame::GRAY, _) => {
                for (x, out) in self.row.iter_mut().take(pixels).enumerate() {
                    *out = grey(pixel(x));
                }
            }
            (band, _) => {
                for (x, out) in self.row.iter_mut().take(pixels).enumerate() {
                    *out = pixel(x)[(band - 2).clamp(0, 2) as usize];
                }
            }
        }
        Ok(())
    }
}
