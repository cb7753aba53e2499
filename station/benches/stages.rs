//! The stages of the page pipeline, one by one, on one thread: `cargo bench -p platen-station`. `make bench` takes the best
//! of each from here and puts it beside the peers.
// The pipeline is a part of a program; here only some of it is called.
#![allow(dead_code, unused_imports, clippy::unwrap_used)]

#[path = "../src/pages/mod.rs"]
mod pages;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use pages::{
    Findings, Image, Lay, Profile, View, deliver,
    encode::Metadata,
    examine,
    ink::InkMap,
    paper::{self, Sheet},
    reduced, skew,
};
use platen_protocol::uplink::ColourMode;
use std::{hint::black_box, path::Path};

/// A sample page of A4 at 300 dpi.
fn page(mode: ColourMode) -> Image {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../hw-tests/pages/typical_0005.jpg");
    let decoded = image::open(file).unwrap();
    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
    let data = match mode {
        ColourMode::Colour => decoded.into_rgb8().into_raw(),
        ColourMode::Grey | ColourMode::Lineart => decoded.into_luma8().into_raw(),
    };
    Image { mode, width, height, dpi: 300, data }
}

/// The skew alone, as a tool that only straightens would find it.
fn skew_of(page: &View<'_>) -> f64 {
    let fine = reduced(page);
    let ink = InkMap::new(&fine);
    let sheet = Sheet::within(paper::edges(&ink.grey), &ink.grey, page);
    skew::find(page, &fine, &ink, (&sheet, true), &[]).angle
}

fn metadata(_: &Findings) -> Metadata {
    Metadata {
        time: "2026-01-01T00:00:00Z".into(),
        software: "bench".into(),
        operator: "bench".into(),
        facts: vec![],
        steps: vec![],
        icc: None,
    }
}

fn stages(criterion: &mut Criterion) {
    let profile = Profile::default();
    let mut group = criterion.benchmark_group("page");
    group.sample_size(30);
    for (name, mode) in [("grey", ColourMode::Grey), ("colour", ColourMode::Colour)] {
        let page = page(mode);
        let view = page.view();
        let fine = reduced(&view);
        group.bench_function(BenchmarkId::new("reduce", name), |b| b.iter(|| reduced(black_box(&view))));
        // What a skew finder does with a page: from its pixels to its angle.
        group.bench_function(BenchmarkId::new("skew", name), |b| b.iter(|| skew_of(black_box(&view))));
        // What is left to do when the last line of a scan has come: its reduction came with the lines.
        group.bench_function(BenchmarkId::new("findings", name), |b| {
            b.iter(|| examine(black_box(&view), &fine, &profile, Lay::Glass));
        });
        let findings = examine(&view, &fine, &profile, Lay::Glass);
        group.bench_function(BenchmarkId::new("deliver", name), |b| {
            b.iter(|| deliver::deliver(black_box(&view), &mut findings.clone(), &profile, false, metadata).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, stages);
criterion_main!(benches);
