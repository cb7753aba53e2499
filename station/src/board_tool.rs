//! `platen-station board`: a sensor board is tested, or its corner calibrated, from the terminal. Not while a station runs
//! with the same board: a board has one conversation.

use crate::sensors::{self, Line};
use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use platen_protocol::board::{self, CalibrationFault, ClimateFault, FromBoard, SelfTest, ToBoard, VERSION};
use std::time::{Duration, Instant};

/// A board answers at once; after plugging in it needs a moment.
const PATIENCE: Duration = Duration::from_secs(3);

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// usb, usb:SERIAL, a serial line such as /dev/ttyACM0, or pi
    #[arg(long, default_value = "usb", value_name = "SOURCE")]
    board: sensors::Source,
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Show every colour of the lamp, sound the buzzer, measure the room, tell how the board is
    SelfTest,
    /// Take what a corner sensor sees now for its level without paper (bare), or with it (covered)
    Calibrate { corner: Corner, state: State },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Corner {
    Top,
    Left,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum State {
    Bare,
    Covered,
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
pub(crate) fn run(args: &Args) -> anyhow::Result<i32> {
    let mut sensors = args.board.clone().sensors();
    let mut line = sensors.open().map_err(anyhow::Error::msg)?;
    greet(&mut *line)?;
    match args.task {
        Task::SelfTest => self_test(&mut *line),
        Task::Calibrate { corner, state } => calibrate(&mut *line, corner, state == State::Covered),
    }
}

/// Says something and waits for an answer.
fn ask<T>(line: &mut dyn Line, message: &ToBoard, mut answer: impl FnMut(FromBoard) -> Option<T>) -> anyhow::Result<T> {
    line.say(message).map_err(anyhow::Error::msg)?;
    let until = Instant::now() + PATIENCE;
    let mut found = None;
    while found.is_none() {
        if Instant::now() > until {
            bail!("no answer within {} s; is another program talking with the board?", PATIENCE.as_secs());
        }
        line.hear(&mut |said, _| {
            let answered = answer(said);
            found = found.take().or(answered);
        })
        .map_err(anyhow::Error::msg)?;
    }
    found.context("no answer")
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn greet(line: &mut dyn Line) -> anyhow::Result<()> {
    let (protocol, [a, b, c], serial, reset) = ask(line, &ToBoard::Hello { protocol: VERSION }, |said| match said {
        FromBoard::Hello { protocol, firmware, serial, reset, .. } => Some((protocol, firmware, serial, reset)),
        _ => None,
    })?;
    println!("board {serial}, firmware {a}.{b}.{c}, link version {protocol}, last start: {reset:?}");
    if protocol != VERSION {
        bail!("the board speaks link version {protocol}, this program {VERSION}: update the older of both");
    }
    Ok(())
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn self_test(line: &mut dyn Line) -> anyhow::Result<i32> {
    // The reading of the room may come with the answer.
    let mut climate = None;
    let test = ask(line, &ToBoard::SelfTest, |said| match said {
        FromBoard::SelfTest(test) => Some(test),
        other => {
            climate = climate.or(reading(&other));
            None
        }
    })?;
    let SelfTest { levels: [top, left], calibrated, late_samples, bad_frames, dropped, .. } = test;
    println!("corner sensors  top {top}, left {left} of 4095; lower = paper");
    println!("calibrated      {}", if calibrated { "yes" } else { "no: `platen-station board calibrate`" });
    println!("late samples    {late_samples}\nbad frames      {bad_frames}\nlost messages   {dropped}");
    let until = Instant::now() + PATIENCE;
    while climate.is_none() && Instant::now() < until {
        line.hear(&mut |said, _| climate = climate.or(reading(&said))).map_err(anyhow::Error::msg)?;
    }
    let good = match climate {
        Some(Ok((celsius, humidity))) => {
            println!("room            {celsius:.1} °C, {humidity:.1} %");
            true
        }
        Some(Err(fault)) => {
            println!("room            BAD: {fault:?}");
            false
        }
        None => {
            println!("room            BAD: no reading within {} s", PATIENCE.as_secs());
            false
        }
    };
    println!("Did the lamp show red, green, blue and white, and did the buzzer sound twice?");
    Ok(i32::from(!good))
}

/// What a message tells of the room.
fn reading(said: &FromBoard) -> Option<Result<(f64, f64), ClimateFault>> {
    match said {
        FromBoard::Climate { milli_celsius, milli_percent, .. } => {
            Some(Ok((f64::from(*milli_celsius) / 1e3, f64::from(*milli_percent) / 1e3)))
        }
        FromBoard::ClimateFault(fault) => Some(Err(*fault)),
        _ => None,
    }
}

#[allow(clippy::print_stdout)] // its output is what the user asked for
fn calibrate(line: &mut dyn Line, corner: Corner, covered: bool) -> anyhow::Result<i32> {
    let corner = match corner {
        Corner::Top => board::Corner::Top,
        Corner::Left => board::Corner::Left,
    };
    let answer = ask(line, &ToBoard::Calibrate { corner, covered }, |said| match said {
        FromBoard::Calibrated { level, kept, .. } => Some(Ok((level, kept))),
        FromBoard::CalibrationRefused { why, level, .. } => Some(Err((why, level))),
        _ => None,
    })?;
    match answer {
        Ok((level, true)) => println!("level {level} taken and kept"),
        Ok((level, false)) => {
            println!("level {level} taken, but this board cannot keep it: it is gone with the next power cut");
            return Ok(1);
        }
        Err((why, level)) => bail!(
            "level {level} was not taken: {}",
            match why {
                CalibrationFault::Armed => "a scan is under way",
                CalibrationFault::Faulty => "the sensor's wire has a short circuit",
                CalibrationFault::TooClose => {
                    "it is too near to the level of the other state (300 apart is needed); calibrate that one first"
                }
            }
        ),
    }
    Ok(0)
}
