//! `platen-station doctor`: the whole chain, link by link, and what to do for each.

use crate::{
    agent::{BadPlan, load_plans},
    config::Config,
    scanner::process::list_devices,
    sensors::{
        Source,
        link::{self, BoardEvent},
        nut,
    },
};
use platen_broker::{Heard, Mqtt, Transport};
use platen_protocol::{
    board::FromBoard,
    uplink::{MAX_MESSAGE, UpsState},
};
use std::{path::Path, time::Duration};
use tokio::{sync::mpsc, time::timeout};

/// Each link answers within this or is taken for dead.
const PATIENCE: Duration = Duration::from_secs(5);

#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) async fn run(file: &Path) -> anyhow::Result<i32> {
    let config = Config::load(file)?;
    println!("configuration  good      {}", file.display());
    let checks = [
        ("scanner", scanner(&config).await),
        ("board", board(&config).await),
        ("ups", ups(&config).await),
        ("broker", broker(&config).await),
        ("disk", disk(&config)),
        ("plans", plans(&config)),
    ];
    let mut bad = 0;
    for (link, result) in checks {
        match result {
            Ok(Some(good)) => println!("{link:<14} good      {good}"),
            Ok(None) => println!("{link:<14} not used"),
            Err(why) => {
                bad += 1;
                println!("{link:<14} BAD       {why}");
            }
        }
    }
    Ok(i32::from(bad > 0))
}

type Check = Result<Option<String>, String>;

async fn scanner(config: &Config) -> Check {
    let device = &config.scanner.device;
    let found = list_devices().await.map_err(|fault| format!("{fault}: {}", fault.action().0))?;
    if found.iter().any(|d| d.name == *device) {
        return Ok(Some(device.clone()));
    }
    let names: Vec<_> = found.into_iter().map(|d| d.name).collect();
    let names = if names.is_empty() { "none".into() } else { names.join(", ") };
    Err(format!("SANE does not list {device:?}. Switch it on and check its cable; scanners it lists: {names}"))
}

async fn board(config: &Config) -> Check {
    let Some(source) = config.sensors.board() else { return Ok(None) };
    let path = match &source {
        Source::Tty(path) => path.clone(),
        Source::Usb { serial } => serial.as_ref().map_or("usb".into(), |serial| format!("usb:{serial}")),
        Source::Pi(_) => "pi".into(),
    };
    let (events, mut inbox) = mpsc::channel(64);
    let _link = link::spawn(source.sensors(), events);
    let answer = timeout(PATIENCE, async {
        let mut last = format!("{path}: no answer");
        while let Some(event) = inbox.recv().await {
            match event {
                BoardEvent::Heard {
                    message: FromBoard::Hello { protocol, firmware: [a, b, c], serial, .. }, ..
                } => {
                    return Ok(format!("{path}, firmware {a}.{b}.{c}, link version {protocol}, serial {serial}"));
                }
                BoardEvent::Lost { why } => last = why,
                BoardEvent::Heard { .. } | BoardEvent::Connected | BoardEvent::Quiet => {}
            }
        }
        Err(last)
    });
    match answer.await {
        Ok(answer) => answer.map(Some),
        Err(_) => Err(format!("{path}: no greeting within {} s; is it the right line?", PATIENCE.as_secs())),
    }
}

async fn ups(config: &Config) -> Check {
    let Some(ups) = config.sensors.ups().map_err(|e| format!("{e:#}"))? else { return Ok(None) };
    match nut::ask(&ups).await.map_err(|why| format!("{ups}: {why}"))? {
        nut::Power { state: UpsState::Stale, .. } => {
            Err(format!("{ups}: its driver has lost the UPS: check its cable"))
        }
        nut::Power { replace_battery: true, .. } => Err(format!("{ups}: the UPS asks for a new battery")),
        power => Ok(Some(format!("{ups}: {:?}", power.state))),
    }
}

async fn broker(config: &Config) -> Check {
    let Some(broker) = config.uplink.broker().map_err(|e| format!("{e:#}"))? else { return Ok(None) };
    let address = broker.address.to_string();
    let name = format!("platen-doctor-{}-{}", config.station.site, config.station.name);
    let mut link = Mqtt::new(broker, name, MAX_MESSAGE as u32, 1).connect(None);
    match timeout(PATIENCE, link.from.recv()).await {
        Ok(Some(Heard::Up { most })) if most >= MAX_MESSAGE => Ok(Some(address)),
        Ok(Some(Heard::Up { most })) => {
            Err(format!("{address}: it takes packets of {most} bytes at most; let it take {MAX_MESSAGE}"))
        }
        Ok(Some(Heard::Down(why))) => Err(format!("{address}: {why}. Is the supervisor running?")),
        Ok(_) => Err(format!("{address}: it answers something else than MQTT")),
        Err(_) => Err(format!("{address}: no answer within {} s", PATIENCE.as_secs())),
    }
}

fn disk(config: &Config) -> Check {
    for folder in [&config.station.out, &config.station.state] {
        let probe = folder.join(".platen-doctor");
        std::fs::create_dir_all(folder)
            .and_then(|()| std::fs::write(&probe, "x"))
            .and_then(|()| std::fs::remove_file(&probe))
            .map_err(|e| format!("{} cannot be written: {e}", folder.display()))?;
    }
    let free = rustix::fs::statvfs(&config.station.out).map_err(|e| e.to_string())?;
    let gib = (free.f_bavail * free.f_frsize) as f64 / f64::from(1u32 << 30);
    if gib < 5.0 {
        return Err(format!("{gib:.1} GiB free below {}: too little for a batch", config.station.out.display()));
    }
    Ok(Some(format!("{gib:.0} GiB free below {}", config.station.out.display())))
}

fn plans(config: &Config) -> Check {
    let (plans, bad) = load_plans(&config.station.plans);
    if let Some(BadPlan { file, why }) = bad.first() {
        return Err(format!(
            "{} of {} files are no plans: {}: {why}",
            bad.len(),
            bad.len() + plans.len(),
            file.display()
        ));
    }
    if plans.is_empty() {
        let folder = config.station.plans.display();
        return Err(format!(
            "no readable plan below {folder}; a plan is LARGE/SMALL.csv with archival_code, title, expected_pages"
        ));
    }
    Ok(Some(format!("{} below {}", plans.len(), config.station.plans.display())))
}
