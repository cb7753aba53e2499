//! What the interlock says to the operator.

use crate::words::Trouble;
use platen_protocol::board::{ArmRefusal, Inputs, Paper, VERSION};

pub(super) fn absent(why: &str) -> Trouble {
    Trouble::new(
        "board-absent",
        (&format!("the lid and corner sensors are not there ({why})"), "未连接盖板与左上角传感器"),
        ("plug the sensor board in", "请连接传感器板"),
    )
}

pub(super) fn other_version(theirs: u16) -> Trouble {
    let what = if theirs > VERSION {
        ("update this station's software", "升级本机软件")
    } else {
        ("update the board's firmware", "升级传感器板固件")
    };
    Trouble::new(
        "board-version",
        (
            &format!("the sensor board speaks link version {theirs}, this station speaks {VERSION}"),
            &format!("传感器板的协议版本为 {theirs}，本机为 {VERSION}"),
        ),
        (&format!("tell the administrator: {}", what.0), &format!("请联系管理员{}", what.1)),
    )
    .alarm()
}

pub(super) fn silent() -> Trouble {
    Trouble::new(
        "board-silent",
        ("the sensor board says nothing", "传感器板没有数据"),
        ("check the board's cable", "请检查传感器板连线"),
    )
}

pub(super) fn lid_open() -> Trouble {
    Trouble::new("lid-open", ("the lid is open", "盖板未合上"), ("close the lid", "请合上盖板"))
}

pub(super) fn lid_broken() -> Trouble {
    Trouble::new(
        "lid-broken",
        ("the two poles of the lid's switch disagree", "盖板开关的两路信号不一致"),
        ("open and close the lid; if that does not help, tell the administrator", "请重新开合盖板；如无效请联系管理员"),
    )
    .alarm()
}

/// For a corner in which no paper is known to lie.
pub(super) fn corner(inputs: &Inputs) -> Trouble {
    match (inputs.top, inputs.left) {
        (Paper::Faulty, _) | (_, Paper::Faulty) => corner_broken(),
        (Paper::Absent, Paper::Present) => not_in_corner("the paper does not touch the top edge", "纸张未靠齐上边"),
        (Paper::Present, Paper::Absent) => not_in_corner("the paper does not touch the left edge", "纸张未靠齐左边"),
        (Paper::Absent, Paper::Absent) | (Paper::Present, Paper::Present) => {
            not_in_corner("no paper lies in the top-left corner", "左上角没有纸张")
        }
    }
}

fn not_in_corner(en: &str, zh: &str) -> Trouble {
    Trouble::new("not-in-corner", (en, zh), ("push the page into the top-left corner", "请将页面推至左上角对齐"))
}

fn corner_broken() -> Trouble {
    Trouble::new(
        "corner-broken",
        ("a corner sensor has a short circuit", "左上角传感器短路"),
        ("tell the administrator: check the sensor's wires", "请联系管理员检查传感器连线"),
    )
    .alarm()
}

/// What a refusal to arm means for the operator.
pub(crate) fn arm_refused(why: ArmRefusal) -> Trouble {
    match why {
        ArmRefusal::LidOpen => lid_open(),
        ArmRefusal::LidBroken => lid_broken(),
        ArmRefusal::NotInCorner => not_in_corner("no paper lies in the top-left corner", "左上角没有纸张"),
        ArmRefusal::CornerBroken => corner_broken(),
    }
}
