//! A project's profile: the named, versioned values by which its pages are judged and delivered. Read from TOML; what is not
//! said keeps the value of [`Profile::default`].

use serde::{Deserialize, Serialize};

/// What a project asks of its pages.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) version: u32,
    pub(crate) format: Format,
    pub(crate) compression: Compression,
    /// JPEG quality, 1 to 100.
    pub(crate) quality: u8,
    pub(crate) holes: Holes,
    pub(crate) limits: Limits,
}

/// The files that grey and colour pages are delivered as; lineart is always TIFF with G4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Format {
    Jpeg,
    Tiff,
}

/// How a delivered TIFF is compressed, without loss.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compression {
    Lzw,
    Deflate,
    None,
}

/// What is done about punch holes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Holes {
    /// Filled with the paper's colour.
    Fill,
    /// Left as they are.
    Keep,
    /// Left as they are, and the page flagged.
    Flag,
}

/// Beyond these a page is flagged.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Dots per inch at least.
    pub(crate) dpi: u32,
    /// Skew of the sheet on the glass at most, in degrees.
    pub(crate) askew: f64,
    /// How far the sheet's corner may lie from the glass's, in mm.
    pub(crate) corner_mm: f64,
    /// Width of a sharp edge at most, in mm.
    pub(crate) edge_mm: f64,
    /// Grey of the paper at least, 0 to 255.
    pub(crate) paper: u8,
    /// Levels between paper and ink at least.
    pub(crate) contrast: u8,
    /// Share of the sheet at the brightest level at most, and at the darkest, 0 to 1.
    pub(crate) clipped: f64,
    pub(crate) crushed: f64,
    /// Levels by which paper may lean to blue, green or magenta.
    pub(crate) cast: u8,
}

impl Default for Profile {
    fn default() -> Self {
        Self {
            name: "standard".into(),
            version: 1,
            format: Format::Jpeg,
            compression: Compression::Lzw,
            quality: 85,
            holes: Holes::Keep,
            limits: Limits::default(),
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            dpi: 200,
            askew: 3.0,
            corner_mm: 20.0,
            edge_mm: 0.45,
            paper: 110,
            contrast: 40,
            clipped: 0.95,
            crushed: 0.3,
            cast: 14,
        }
    }
}

/// A value that a profile cannot have.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{key} = {value}: {allowed}")]
pub(crate) struct BadProfile {
    key: &'static str,
    value: String,
    allowed: &'static str,
}

impl Profile {
    /// Refuses what is out of range, by key.
    pub(crate) fn check(&self) -> Result<(), BadProfile> {
        let Limits { dpi, askew, corner_mm, edge_mm, clipped, crushed, .. } = self.limits;
        let bad = |key, value: String, allowed| Err(BadProfile { key, value, allowed });
        let name_is_good = |c: char| c.is_alphanumeric() || "-_. ".contains(c);
        if self.name.is_empty() || self.name.chars().count() > 40 || !self.name.chars().all(name_is_good) {
            return bad("name", format!("{:?}", self.name), "1 to 40 letters, digits, spaces, -, _ or . are allowed");
        }
        if !(1..=100).contains(&self.quality) {
            return bad("quality", self.quality.to_string(), "1 to 100 are allowed");
        }
        if !(50..=2_400).contains(&dpi) {
            return bad("limits.dpi", dpi.to_string(), "50 to 2400 are allowed");
        }
        for (key, value, range, allowed) in [
            ("limits.askew", askew, 0.1..=15.0, "0.1 to 15 degrees are allowed"),
            ("limits.corner_mm", corner_mm, 0.5..=500.0, "0.5 to 500 mm are allowed"),
            ("limits.edge_mm", edge_mm, 0.05..=5.0, "0.05 to 5 mm are allowed"),
            ("limits.clipped", clipped, 0.0..=1.0, "0 to 1 are allowed"),
            ("limits.crushed", crushed, 0.0..=1.0, "0 to 1 are allowed"),
        ] {
            if !range.contains(&value) {
                return bad(key, value.to_string(), allowed);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_says_every_standard_value() {
        let example = include_str!("../../../deploy/profile.toml");
        assert_eq!(toml::from_str::<Profile>(example).unwrap(), Profile::default());
        for key in toml::to_string(&Profile::default()).unwrap().lines().filter_map(|line| line.split_once(" =")) {
            assert!(example.contains(&format!("{} =", key.0)), "{} is missing", key.0);
        }
    }

    #[test]
    fn a_profile_says_what_differs_and_is_checked_by_key() {
        let read = |text: &str| toml::from_str::<Profile>(text).map_err(|e| e.to_string());
        let profile = read("name = \"court\"\nversion = 3\nholes = \"fill\"\n[limits]\ndpi = 300\n").unwrap();
        assert_eq!((profile.holes, profile.limits.dpi, profile.quality), (Holes::Fill, 300, 85));
        assert_eq!(profile.check(), Ok(()));
        assert!(read("hole = \"fill\"").unwrap_err().contains("hole"));
        assert!(read("holes = \"burn\"").unwrap_err().contains("fill"));
        for (text, key) in [
            ("quality = 0", "quality"),
            ("name = \"\"", "name"),
            ("[limits]\ndpi = 10", "limits.dpi"),
            ("[limits]\naskew = 90.0", "limits.askew"),
            ("[limits]\nclipped = nan", "limits.clipped"),
        ] {
            let error = read(text).unwrap().check().unwrap_err().to_string();
            assert!(error.starts_with(key) && error.contains("allowed"), "{error}");
        }
    }
}
