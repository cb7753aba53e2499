//! Matching what an archive asks for to the option names of a hundred backends. Pure: names in, names out.

use super::{Area, Fault};
use platen_protocol::uplink::{ColourMode, Source};

/// What a device says about one option.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct OptionInfo {
    pub(crate) index: i32,
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) size: usize,
    pub(crate) usable: bool,
    pub(crate) settable: bool,
    pub(crate) allowed: Allowed,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Bool,
    Int,
    Fixed,
    Text,
    Other,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Allowed {
    Anything,
    Words(Vec<f64>),
    Range { min: f64, max: f64 },
    Texts(Vec<String>),
}

impl std::fmt::Display for Allowed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Anything => write!(f, "anything"),
            Self::Words(words) => write!(f, "{}", words.iter().map(f64::to_string).collect::<Vec<_>>().join(", ")),
            Self::Range { min, max } => write!(f, "{min} to {max}"),
            Self::Texts(texts) => write!(f, "{}", texts.join(", ")),
        }
    }
}

/// A value to set.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Text(String),
    Number(f64),
    Bool(bool),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => text.fmt(f),
            Self::Number(number) => number.fmt(f),
            Self::Bool(on) => on.fmt(f),
        }
    }
}

/// A usable option by one of its names.
pub(crate) fn find<'a>(options: &'a [OptionInfo], names: &[&str]) -> Option<&'a OptionInfo> {
    names.iter().find_map(|name| options.iter().find(|o| o.name == *name && o.usable))
}

/// Lower case, letters and digits only: `ADF - Front` and `adf_front` are the same word.
fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

fn first_of(texts: &[String], wanted: &[&str]) -> Option<String> {
    wanted.iter().find_map(|w| texts.iter().find(|t| plain(t) == *w)).cloned()
}

/// The backend's word for a source, or for a feeder's two sides a second option to switch on.
pub(crate) fn source(options: &[OptionInfo], wanted: Source) -> Result<Vec<(String, Value)>, Fault> {
    let refused = |allowed: &dyn std::fmt::Display| Fault::Refused {
        option: "source".into(),
        asked: format!("{wanted:?}").to_lowercase(),
        allowed: allowed.to_string(),
    };
    let Some(option) = find(options, &["source", "doc-source"]) else {
        return if wanted == Source::Flatbed { Ok(Vec::new()) } else { Err(refused(&"its only source")) };
    };
    let Allowed::Texts(texts) = &option.allowed else { return Err(refused(&option.allowed)) };
    let adf = [
        "adffront",
        "adf",
        "adfsimplex",
        "automaticdocumentfeeder",
        "automaticdocumentfeederleftaligned",
        "automaticdocumentfeedercentrallyaligned",
        "documentfeeder",
        "feeder",
        "adfsinglesided",
    ];
    let choice = match wanted {
        Source::Flatbed => first_of(texts, &["flatbed", "normal", "platen", "documenttable", "fb"]),
        Source::Adf => first_of(texts, &adf),
        Source::Duplex => first_of(texts, &["adfduplex", "duplex", "adfdoublesided", "adfbothsides"])
            .or_else(|| texts.iter().find(|t| plain(t).contains("duplex")).cloned()),
    };
    if let Some(text) = choice {
        return Ok(vec![(option.name.clone(), Value::Text(text))]);
    }
    // kvs40xx and epson2 have the two sides as an option of their own.
    let both_sides = match (wanted, find(options, &["duplex", "adf-mode"])) {
        (Source::Duplex, Some(o)) => match (&o.allowed, o.kind) {
            (Allowed::Texts(modes), _) => first_of(modes, &["duplex"]).map(|m| (o.name.clone(), Value::Text(m))),
            (_, Kind::Bool) => Some((o.name.clone(), Value::Bool(true))),
            _ => None,
        },
        _ => None,
    };
    match (first_of(texts, &adf), both_sides) {
        (Some(feeder), Some(sides)) if wanted == Source::Duplex => {
            Ok(vec![(option.name.clone(), Value::Text(feeder)), sides])
        }
        _ => Err(refused(&option.allowed)),
    }
}

/// The backend's word for a colour mode, and the depth that goes with it.
pub(crate) fn mode(options: &[OptionInfo], wanted: ColourMode) -> Result<Vec<(String, Value)>, Fault> {
    let Some(option) = find(options, &["mode"]) else {
        return Err(Fault::Unsupported { what: "the scanner has no option mode".into() });
    };
    let refused = || Fault::Refused {
        option: "mode".into(),
        asked: format!("{wanted:?}").to_lowercase(),
        allowed: option.allowed.to_string(),
    };
    let Allowed::Texts(texts) = &option.allowed else { return Err(refused()) };
    let grey = ["gray", "grey", "grayscale", "greyscale", "truegray", "8bitgray", "gray8bit"];
    let depths = find(options, &["depth"]).map(|o| &o.allowed);
    let has_depth = |d: f64| matches!(depths, Some(Allowed::Words(words)) if words.contains(&d));
    let with_depth = |text: String, depth: f64| {
        let mut plan = vec![(option.name.clone(), Value::Text(text))];
        if has_depth(depth) {
            plan.push(("depth".into(), Value::Number(depth)));
        }
        plan
    };
    match wanted {
        ColourMode::Colour => first_of(texts, &["color", "colour", "24bitcolor", "truecolor", "colorfast"])
            .map(|text| with_depth(text, 8.0)),
        ColourMode::Grey => first_of(texts, &grey).map(|text| with_depth(text, 8.0)),
        ColourMode::Lineart => {
            let own = first_of(texts, &["lineart", "blackwhite", "blackandwhite", "binary", "monochrome"]);
            match own {
                Some(text) => Some(with_depth(text, 1.0)),
                None if has_depth(1.0) => first_of(texts, &grey).map(|text| with_depth(text, 1.0)),
                None => None,
            }
        }
    }
    .ok_or_else(refused)
}

/// The options that hold the resolution: one, or one for each direction.
pub(crate) fn resolution(options: &[OptionInfo], dpi: u32) -> Result<Vec<(String, Value)>, Fault> {
    let names: Vec<_> = match find(options, &["resolution", "x-resolution"]) {
        Some(one) if one.name == "resolution" => vec![one],
        Some(x) => [Some(x), find(options, &["y-resolution"])].into_iter().flatten().collect(),
        None => return Err(Fault::Unsupported { what: "the scanner has no option resolution".into() }),
    };
    let value = f64::from(dpi);
    for option in &names {
        let fits = match &option.allowed {
            Allowed::Words(words) => words.contains(&value),
            Allowed::Range { min, max } => (*min..=*max).contains(&value),
            Allowed::Anything | Allowed::Texts(_) => true,
        };
        if !fits {
            let (asked, allowed) = (format!("{dpi} dpi"), option.allowed.to_string());
            return Err(Fault::Refused { option: "resolution".into(), asked, allowed });
        }
    }
    Ok(names.into_iter().map(|o| (o.name.clone(), Value::Number(value))).collect())
}

/// Width and height of the area to scan, in millimetres; `None` if the device has no geometry.
pub(crate) fn area(options: &[OptionInfo], wanted: Area, source: Source) -> Result<Option<(f64, f64)>, Fault> {
    let limit = |names: &[&str]| match find(options, names).map(|o| &o.allowed) {
        Some(Allowed::Range { max, .. }) => Some(*max),
        Some(Allowed::Words(words)) => words.iter().copied().reduce(f64::max),
        Some(Allowed::Anything | Allowed::Texts(_)) | None => None,
    };
    // The page size, where there is one, limits the corner: naps2 #129.
    let across = limit(&["page-width"]).or_else(|| limit(&["br-x"]));
    let down = limit(&["page-height"]).or_else(|| limit(&["br-y"]));
    let (Some(across), Some(down)) = (across, down) else { return Ok(None) };
    match (wanted, source) {
        (Area::Auto, Source::Flatbed) => Ok(Some((across, down))),
        (Area::Auto, Source::Adf | Source::Duplex) => Ok(Some((across.min(210.0), down.min(297.0)))),
        (Area::Millimetres(w, h), _) if w <= across + 0.5 && h <= down + 0.5 => Ok(Some((w.min(across), h.min(down)))),
        (Area::Millimetres(w, h), _) => Err(Fault::Refused {
            option: "area".into(),
            asked: format!("{w} × {h} mm"),
            allowed: format!("up to {across} × {down} mm"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn option(name: &str, kind: Kind, allowed: Allowed) -> OptionInfo {
        OptionInfo { index: 0, name: name.into(), kind, size: 4, usable: true, settable: true, allowed }
    }

    fn texts(name: &str, texts: &[&str]) -> OptionInfo {
        option(name, Kind::Text, Allowed::Texts(texts.iter().map(|t| (*t).into()).collect()))
    }

    fn chosen(plan: &[(String, Value)]) -> String {
        plan.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn sources_of_many_backends_are_understood() {
        let sources = |list: &[&str], wanted| source(&[texts("source", list)], wanted).map(|p| chosen(&p));
        for (list, flatbed, adf, duplex) in [
            (&["Flatbed", "ADF Front", "ADF Back", "ADF Duplex"][..], "Flatbed", "ADF Front", "ADF Duplex"),
            (&["Flatbed", "Automatic Document Feeder"], "Flatbed", "Automatic Document Feeder", ""),
            (&["Normal", "ADF Front", "ADF Duplex"], "Normal", "ADF Front", "ADF Duplex"),
            (&["Flatbed", "ADF", "ADF Duplex"], "Flatbed", "ADF", "ADF Duplex"),
            (
                &[
                    "FlatBed",
                    "Automatic Document Feeder(left aligned)",
                    "Automatic Document Feeder(left aligned,Duplex)",
                ],
                "FlatBed",
                "Automatic Document Feeder(left aligned)",
                "Automatic Document Feeder(left aligned,Duplex)",
            ),
        ] {
            for (wanted, expected) in [(Source::Flatbed, flatbed), (Source::Adf, adf), (Source::Duplex, duplex)] {
                match sources(list, wanted) {
                    Ok(got) => assert_eq!(got, format!("source={expected}"), "{list:?}"),
                    Err(e) => assert!(expected.is_empty() && e.text().contains(list[0]), "{list:?}: {e}"),
                }
            }
        }
        let kvs = [texts("source", &["adf", "fb"]), option("duplex", Kind::Bool, Allowed::Anything)];
        assert_eq!(chosen(&source(&kvs, Source::Duplex).unwrap()), "source=adf duplex=true");
        assert!(source(&[], Source::Flatbed).unwrap().is_empty());
        assert!(source(&[], Source::Adf).is_err());
    }

    #[test]
    fn lineart_is_a_mode_or_grey_of_one_bit() {
        let depth = option("depth", Kind::Int, Allowed::Words(vec![1.0, 8.0, 16.0]));
        let test_backend = [texts("mode", &["Gray", "Color"]), depth];
        assert_eq!(chosen(&mode(&test_backend, ColourMode::Lineart).unwrap()), "mode=Gray depth=1");
        assert_eq!(chosen(&mode(&test_backend, ColourMode::Colour).unwrap()), "mode=Color depth=8");
        let fujitsu = [texts("mode", &["Lineart", "Halftone", "Gray", "Color"])];
        assert_eq!(chosen(&mode(&fujitsu, ColourMode::Lineart).unwrap()), "mode=Lineart");
        let no_colour = [texts("mode", &["Lineart", "Gray"])];
        assert!(mode(&no_colour, ColourMode::Colour).unwrap_err().text().contains("Lineart, Gray"));
    }

    #[test]
    fn a_resolution_the_scanner_has_not_is_refused_with_what_it_has() {
        let list = [option("resolution", Kind::Int, Allowed::Words(vec![150.0, 300.0]))];
        assert!(resolution(&list, 200).unwrap_err().text().contains("150, 300"));
        let two = [
            option("x-resolution", Kind::Int, Allowed::Range { min: 50.0, max: 600.0 }),
            option("y-resolution", Kind::Int, Allowed::Range { min: 50.0, max: 600.0 }),
        ];
        assert_eq!(chosen(&resolution(&two, 600).unwrap()), "x-resolution=600 y-resolution=600");
    }

    #[test]
    fn the_area_is_the_glass_or_a4_from_a_feeder_and_never_more_than_there_is() {
        let range = |name, max| option(name, Kind::Fixed, Allowed::Range { min: 0.0, max });
        let glass = [range("br-x", 216.0), range("br-y", 300.0)];
        assert_eq!(area(&glass, Area::Auto, Source::Flatbed), Ok(Some((216.0, 300.0))));
        let long =
            [range("br-x", 216.0), range("br-y", 210.0), range("page-height", 863.0), range("page-width", 221.0)];
        assert_eq!(area(&long, Area::Auto, Source::Adf), Ok(Some((210.0, 297.0))));
        let error = area(&glass, "a3".parse().unwrap(), Source::Flatbed).unwrap_err();
        assert!(error.text().contains("up to 216 × 300 mm"), "{error}");
    }
}
