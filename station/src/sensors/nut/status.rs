//! What the words of a UPS mean.

use super::Power;
use platen_protocol::uplink::UpsState;

/// Reads the lines between BEGIN and END of `LIST VAR`: `VAR <ups> <name> "<value>"`, in which `\` stands before `"` and `\`.
pub(super) fn read(lines: &[String]) -> Power {
    let value = |wanted: &str| {
        lines.iter().find_map(|line| {
            let mut words = line.strip_prefix("VAR ")?.splitn(3, ' ');
            let (_, name, value) = (words.next()?, words.next()?, words.next()?);
            (name == wanted).then(|| unquoted(value))
        })
    };
    let Some(status) = value("ups.status") else { return Power::only(UpsState::Stale) };
    let has = |flag: &str| status.split_whitespace().any(|word| word == flag);
    let state = if has("FSD") {
        UpsState::ForcedShutdown
    } else if has("OB") && has("LB") {
        UpsState::LowBattery
    } else if has("OB") {
        UpsState::OnBattery
    } else if has("OL") {
        UpsState::Online
    } else {
        // WAIT, OFF, COMM and the like: the driver does not know where the power comes from.
        UpsState::Stale
    };
    let number = |name| value(name).and_then(|v| v.parse().ok()).filter(|v: &f64| v.is_finite());
    Power { state, charge: number("battery.charge"), runtime_s: number("battery.runtime"), replace_battery: has("RB") }
}

fn unquoted(value: &str) -> String {
    let inner = value.strip_prefix('"').and_then(|v| v.strip_suffix('"')).unwrap_or(value);
    let mut escaped = false;
    inner
        .chars()
        .filter(|&c| {
            escaped = c == '\\' && !escaped;
            !escaped
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn power(status: &str) -> Power {
        read(&["VAR u battery.charge \"97.5\"".into(), format!("VAR u ups.status \"{status}\"")])
    }

    #[test]
    fn every_state_of_a_ups_is_told_apart() {
        for (status, state, worn) in [
            ("OL", UpsState::Online, false),
            ("OL CHRG", UpsState::Online, false),
            ("OL RB", UpsState::Online, true),
            ("OL LB", UpsState::Online, false),
            ("OB DISCHRG", UpsState::OnBattery, false),
            ("OB DISCHRG RB", UpsState::OnBattery, true),
            ("OB LB", UpsState::LowBattery, false),
            ("FSD OL", UpsState::ForcedShutdown, false),
            ("FSD OB LB", UpsState::ForcedShutdown, false),
            ("OFF", UpsState::Stale, false),
            ("WAIT", UpsState::Stale, false),
            ("", UpsState::Stale, false),
        ] {
            let power = power(status);
            assert_eq!((power.state, power.replace_battery), (state, worn), "{status}");
        }
        assert_eq!((power("OL").charge, power("OL").runtime_s), (Some(97.5), None));
        assert_eq!(read(&[]).state, UpsState::Stale);
    }

    #[test]
    fn values_are_unquoted_and_nonsense_is_no_number() {
        let lines = [r#"VAR u ups.model "a \"b\" \\ c""#.to_string(), r#"VAR u battery.charge "NaN""#.into()];
        assert_eq!(unquoted(r#""a \"b\" \\ c""#), r#"a "b" \ c"#);
        assert_eq!(read(&lines).charge, None);
    }
}
