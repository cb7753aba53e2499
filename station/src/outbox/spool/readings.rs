//! Readings that found no way out wait here, and are thinned when they take too much room.

use super::{Spool, SpoolError};
use crate::moment::Moment;
use platen_protocol::uplink::Reading;
use rusqlite::params;
use std::collections::HashMap;

/// A reading as it waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    pub(crate) id: u64,
    /// RFC 3339.
    pub(crate) at: String,
    /// `<boot>:<milliseconds>`.
    pub(crate) monotonic: String,
    /// The reading as JSON.
    pub(crate) body: String,
}

impl Spool {
    /// Keeps readings until there is a way. If all readings then take more than `most` bytes, they are thinned.
    pub(crate) fn keep_readings(&mut self, readings: &[(Moment, Reading)], most: u64) -> Result<(), SpoolError> {
        let rows: Vec<_> = readings
            .iter()
            .map(|(moment, reading)| {
                let kind = match reading {
                    Reading::Room { .. } => "room",
                    Reading::Power { .. } => "power",
                };
                // Numbers and names: it cannot fail.
                (kind, moment, serde_json::to_string(reading).unwrap_or_default())
            })
            .collect();
        self.change(|tx| {
            {
                let mut insert =
                    tx.prepare_cached("INSERT INTO reading (kind, at, monotonic, body) VALUES (?1, ?2, ?3, ?4)")?;
                for (kind, moment, body) in &rows {
                    insert.execute(params![kind, moment.at.to_string(), moment.monotonic.to_string(), body])?;
                }
            }
            let (bytes, mut all): (u64, Vec<(u64, String)>) = (
                tx.query_row("SELECT coalesce(sum(length(body) + ?1), 0) FROM reading", [super::ROW], |row| {
                    row.get(0)
                })?,
                Vec::new(),
            );
            if bytes > most {
                let mut query = tx.prepare("SELECT id, kind FROM reading ORDER BY id")?;
                all = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect::<rusqlite::Result<_>>()?;
            }
            let mut delete = tx.prepare_cached("DELETE FROM reading WHERE id = ?1")?;
            for id in thin(&all) {
                delete.execute([id])?;
            }
            Ok(())
        })?;
        self.recount()
    }

    /// The oldest readings that wait.
    pub(crate) fn readings(&self, limit: u32) -> Result<Vec<Kept>, SpoolError> {
        let query = || -> rusqlite::Result<Vec<Kept>> {
            self.db
                .prepare_cached("SELECT id, at, monotonic, body FROM reading ORDER BY id LIMIT ?1")?
                .query_map([limit], |row| {
                    Ok(Kept { id: row.get(0)?, at: row.get(1)?, monotonic: row.get(2)?, body: row.get(3)? })
                })?
                .collect()
        };
        query().map_err(self.named())
    }

    /// The supervisor has them.
    pub(crate) fn forget_readings(&mut self, through: u64) -> Result<(), SpoolError> {
        self.change(|tx| tx.execute("DELETE FROM reading WHERE id <= ?1", [through]).map(|_| ()))?;
        self.recount()
    }
}

/// Which readings to let go: of the older half of each kind every second one. Done again and again, a curve loses its detail
/// the more the older it is, and never its shape.
fn thin(readings: &[(u64, String)]) -> Vec<u64> {
    let mut kinds: HashMap<&str, Vec<u64>> = HashMap::new();
    for (id, kind) in readings {
        kinds.entry(kind).or_default().push(*id);
    }
    kinds.values().flat_map(|ids| ids[..ids.len() / 2].iter().skip(1).step_by(2).copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_older_half_of_each_kind_loses_every_second_one() {
        let kinds = ["room", "power", "room", "room", "room", "room", "room", "room", "room"];
        let readings: Vec<_> = (1..).zip(kinds.map(String::from)).collect();
        assert_eq!(thin(&readings), [3, 5], "of 1 3 4 5 6 7 8 9 the older half is 1 3 4 5; the one of power stays");
    }

    proptest! {
        #[test]
        fn thinning_keeps_first_and_last_and_comes_to_an_end(count in 0u64..400, rounds in 1usize..20) {
            let mut left: Vec<_> = (1..=count).map(|id| (id, "room".to_string())).collect();
            for _ in 0..rounds {
                let gone = thin(&left);
                let before = left.len();
                left.retain(|(id, _)| !gone.contains(id));
                prop_assert!(before < 4 || left.len() < before);
            }
            prop_assert_eq!(left.first().map(|r| r.0), (count > 0).then_some(1));
            prop_assert_eq!(left.last().map(|r| r.0), (count > 0).then_some(count));
        }
    }
}
