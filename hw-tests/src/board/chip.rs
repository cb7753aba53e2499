//! The firmware's binary on an emulated RP2040 in real time: a process of Node, told what happens and telling what it does,
//! one JSON object a line.

use super::{AT_REST, Brain, Controls, PRESS_MS, lock};
use crate::chip;
use anyhow::Context;
use platen_firmware_core::{Light, Raw};
use platen_protocol::board::ClimateFault;
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, Stdio},
    sync::{Mutex, mpsc},
};

pub(super) struct ChipBrain {
    child: Child,
    actions: ChildStdin,
    told: mpsc::Receiver<Told>,
    raw: Raw,
    room: Value,
}

/// What the chip tells.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Told {
    Bytes(Vec<u8>),
    Light([bool; 3]),
}

impl ChipBrain {
    pub(super) fn new() -> anyhow::Result<Self> {
        let mut command = chip::command("live.mjs")?;
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().context("node")?;
        let actions = child.stdin.take().context("the emulator has no input")?;
        let lines = BufReader::new(child.stdout.take().context("the emulator has no output")?).lines();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                match serde_json::from_str(&line).map(|news| tell.send(news)) {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) => return,
                    Err(error) => eprintln!("emulated chip: {line:?}: {error}"),
                }
            }
        });
        Ok(Self { child, actions, told, raw: AT_REST, room: Value::Null })
    }

    fn act(&mut self, action: &Value) -> anyhow::Result<()> {
        writeln!(self.actions, "{action}").context("the emulator has ended")
    }
}

impl Drop for ChipBrain {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Brain for ChipBrain {
    fn turn(&mut self, controls: &Mutex<Controls>, from_station: &[u8]) -> anyhow::Result<Vec<u8>> {
        let (raw, press, script, reset, mut noise, climate) = {
            let mut c = lock(controls);
            let script: Vec<bool> = c.script.drain(..).collect();
            let (press, reset) = (std::mem::take(&mut c.press), std::mem::take(&mut c.reset));
            (c.raw, press, script, reset, std::mem::take(&mut c.noise), c.climate)
        };
        if raw != self.raw {
            self.raw = raw;
            self.act(&json!({ "contacts": contacts(raw), "levels": { "top": raw.top, "left": raw.left } }))?;
        }
        let room = match climate {
            Ok((c, h)) => json!({ "celsius": f64::from(c) / 1e3, "humidity": f64::from(h) / 1e3, "fault": null }),
            Err(ClimateFault::Absent) => json!({ "fault": "nak" }),
            Err(ClimateFault::Checksum | ClimateFault::Implausible) => json!({ "fault": "crc" }),
        };
        if room != self.room {
            self.act(&json!({ "room": room }))?;
            self.room = room;
        }
        // By the chip's own clock, however late this machine is.
        if press {
            let button = |at: u32, made: bool| json!([at, { "contacts": { "button": made } }]);
            self.act(&json!({ "later": [button(0, true), button(PRESS_MS, false)] }))?;
        }
        if !script.is_empty() {
            let lid = |closed: bool| json!({ "contacts": { "lid_made": closed, "lid_rest": !closed } });
            let later: Vec<_> = script.into_iter().enumerate().map(|(ms, closed)| json!([ms, lid(closed)])).collect();
            self.act(&json!({ "later": later }))?;
        }
        if reset {
            self.act(&json!({ "reset": true }))?;
        }
        if !from_station.is_empty() {
            self.act(&json!({ "bytes": from_station }))?;
        }
        for news in self.told.try_iter() {
            match news {
                Told::Bytes(bytes) => noise.extend(bytes),
                Told::Light([red, green, blue]) => lock(controls).light = Light { red, green, blue },
            }
        }
        Ok(noise)
    }
}

fn contacts(raw: Raw) -> Value {
    json!({
        "lid_made": raw.lid_made, "lid_rest": raw.lid_rest, "button": raw.button, "pedal": raw.pedal,
        "case_shut": raw.case_shut,
    })
}
