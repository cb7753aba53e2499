//! The plan of a small batch: which volumes, in which order, with how many pages.

use super::{ArchivalCode, BatchName};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;

/// Image numbers have four digits.
pub(crate) const MAX_PAGES: u32 = 9_999;

/// A small batch as it was planned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Plan {
    pub(crate) batch: BatchName,
    pub(crate) volumes: Vec<Volume>,
}

/// One volume 案卷.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Volume {
    pub(crate) code: ArchivalCode,
    pub(crate) title: String,
    /// Pages, 1 to 9,999.
    pub(crate) expected: u32,
}

/// A page of a batch: which volume (from 0) and which image number (from 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct PageId {
    pub(crate) volume: usize,
    pub(crate) number: u32,
}

impl Plan {
    /// One volume of `pages` pages.
    pub(crate) fn single(batch: BatchName, code: ArchivalCode, pages: u32) -> Result<Self, String> {
        if !(1..=MAX_PAGES).contains(&pages) {
            return Err(format!("{pages} pages; a volume has 1 to {MAX_PAGES}"));
        }
        Ok(Self { batch, volumes: vec![Volume { code, title: String::new(), expected: pages }] })
    }

    /// Reads a CSV with the columns `archival_code`, `title`, `expected_pages` (or 档号, 题名, 页数), in any order. Every
    /// error names row and column.
    pub(crate) fn from_csv(batch: BatchName, text: &str) -> Result<Self, String> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(text.as_bytes());
        let header = reader.headers().map_err(|e| format!("row 1: {e}"))?.clone();
        let column = |names: [&str; 2]| {
            header.iter().position(|h| names.contains(&h)).ok_or_else(|| {
                format!(
                    "row 1: there is no column {} (or {}); the columns are {}",
                    names[0],
                    names[1],
                    header.iter().collect::<Vec<_>>().join(", ")
                )
            })
        };
        let code_at = column(["archival_code", "档号"])?;
        let pages_at = column(["expected_pages", "页数"])?;
        let title_at = column(["title", "题名"]).ok();
        let mut volumes: Vec<Volume> = Vec::new();
        let mut seen: HashMap<ArchivalCode, u64> = HashMap::new();
        for record in reader.records() {
            let record = record.map_err(|e| format!("{e}"))?;
            let row = record.position().map_or(0, csv::Position::line);
            let cell = |at: usize| record.get(at).unwrap_or_default();
            let code: ArchivalCode =
                cell(code_at).parse().map_err(|e| format!("row {row}, column {}: {e}", &header[code_at]))?;
            if let Some(first) = seen.insert(code.clone(), row) {
                return Err(format!(
                    "row {row}, column {}: archival code {code} stands in row {first} already",
                    &header[code_at]
                ));
            }
            let pages = cell(pages_at);
            let expected = pages.parse().ok().filter(|n| (1..=MAX_PAGES).contains(n)).ok_or_else(|| {
                format!(
                    "row {row}, column {}: {pages:?} is not a number of pages; 1 to {MAX_PAGES} are allowed",
                    &header[pages_at]
                )
            })?;
            let title = title_at.map(cell).unwrap_or_default().into();
            volumes.push(Volume { code, title, expected });
        }
        if volumes.is_empty() {
            return Err("the plan has a heading but no volume".into());
        }
        Ok(Self { batch, volumes })
    }

    /// Pages of all volumes.
    pub(crate) fn expected(&self) -> u32 {
        self.volumes.iter().map(|v| v.expected).sum()
    }

    /// The page after `done` pages, counted over all volumes in order; `None` after the last.
    pub(crate) fn page_after(&self, done: u32) -> Option<PageId> {
        let mut left = done;
        for (volume, v) in self.volumes.iter().enumerate() {
            if left < v.expected {
                return Some(PageId { volume, number: left + 1 });
            }
            left -= v.expected;
        }
        None
    }

    /// How many of `kept` pages, counted over all volumes, belong to each.
    pub(crate) fn kept_by_volume(&self, kept: u32) -> Vec<u32> {
        let mut left = kept;
        self.volumes
            .iter()
            .map(|v| {
                let here = left.min(v.expected);
                left -= here;
                here
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Plan, String> {
        Plan::from_csv("1/1-6-2".parse().unwrap(), text)
    }

    #[test]
    fn a_plan_in_either_language_is_read_and_counted_through() {
        let plan = read("archival_code,title,expected_pages\nA-1,One,2\nA-2,\"Two, too\",1\n").unwrap();
        assert_eq!(plan, read("\u{feff}页数,题名,档号\n2,One,A-1\n1,\"Two, too\",A-2\n").unwrap());
        let pages: Vec<_> = (0..4).map(|n| plan.page_after(n).map(|p| (p.volume, p.number))).collect();
        assert_eq!(pages, [Some((0, 1)), Some((0, 2)), Some((1, 1)), None]);
        assert_eq!(plan.kept_by_volume(2), [2, 0]);
    }

    #[test]
    fn a_wrong_plan_gets_one_clear_message() {
        for (text, message) in [
            ("", "no column archival_code"),
            ("code,pages\nA,1", "the columns are code, pages"),
            ("archival_code,expected_pages\n", "no volume"),
            ("archival_code,expected_pages\n,1", "row 2, column archival_code: archival code is empty"),
            ("archival_code,expected_pages\nA,1\nA,2", "row 3, column archival_code: archival code A stands in row 2"),
            ("archival_code,expected_pages\nA,0", "row 2, column expected_pages: \"0\""),
            ("archival_code,expected_pages\nA,10000", "1 to 9999"),
            ("archival_code,expected_pages\nA,two", "\"two\" is not a number"),
            ("archival_code,expected_pages\n../x,1", "row 2, column archival_code"),
            ("archival_code,expected_pages\nA,1,5", "line: 2"),
        ] {
            let error = read(text).unwrap_err();
            assert!(error.contains(message), "{text:?}: {error}");
        }
    }
}
