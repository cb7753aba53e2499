//! Faults of a scanner: each has a name, what happened, what the operator does, and whether trying again may help.

use platen_protocol::uplink::Severity;
use sane_sys::{Status, status};
use serde::{Deserialize, Serialize};

/// Something that kept a page from being scanned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{}", self.text())]
pub(crate) enum Fault {
    CoverOpen,
    Jammed,
    DoubleFeed,
    FeederEmpty,
    Busy,
    NoSuchDevice {
        device: String,
        known: Vec<String>,
    },
    AccessDenied,
    DeviceIo {
        what: String,
    },
    NoMemory,
    Unsupported {
        what: String,
    },
    WarmingUp,
    Locked,
    Cancelled,
    /// The device's own refusal of a value.
    Refused {
        option: String,
        asked: String,
        allowed: String,
    },
    /// The device took something else than was asked.
    Mismatch {
        option: String,
        asked: String,
        took: String,
    },
    /// The page ended before its last line.
    Truncated {
        got: u64,
        expected: String,
    },
    /// The lower part is a decoder's fill.
    FlatTail {
        line: u32,
        of: u32,
    },
    /// No progress for too long; the worker was killed.
    Stalled {
        seconds: u64,
        doing: String,
    },
    /// The worker died.
    Crashed {
        how: String,
    },
    /// libsane is not there.
    NoLibrary {
        reason: String,
    },
    /// A status that SANE does not know.
    UnknownStatus {
        status: i32,
        doing: String,
    },
}

/// Whether trying again may help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Retry {
    /// After the operator did what is asked.
    AfterAction,
    /// By itself, later.
    Later,
    /// Not before something else is changed.
    No,
}

impl Fault {
    /// Names a status that is neither `GOOD` nor, while reading, `EOF`.
    pub(crate) fn from_status(status: Status, doing: &str) -> Self {
        let what = |text: &str| format!("{text} while {doing}");
        match status {
            status::UNSUPPORTED => Self::Unsupported { what: what("the device does not support this") },
            status::CANCELLED => Self::Cancelled,
            status::DEVICE_BUSY => Self::Busy,
            status::INVAL => Self::DeviceIo { what: what("the backend refused the call (invalid argument)") },
            status::EOF => Self::DeviceIo { what: what("the data ended") },
            status::JAMMED => Self::Jammed,
            status::NO_DOCS => Self::FeederEmpty,
            status::COVER_OPEN => Self::CoverOpen,
            status::IO_ERROR => Self::DeviceIo { what: what("the device did not answer as it should") },
            status::NO_MEM => Self::NoMemory,
            status::ACCESS_DENIED => Self::AccessDenied,
            status::WARMING_UP => Self::WarmingUp,
            status::HW_LOCKED => Self::Locked,
            other => Self::UnknownStatus { status: other, doing: doing.into() },
        }
    }

    /// The stable name, used in messages, in the journal and by tests.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::CoverOpen => "cover-open",
            Self::Jammed => "paper-jam",
            Self::DoubleFeed => "double-feed",
            Self::FeederEmpty => "feeder-empty",
            Self::Busy => "scanner-busy",
            Self::NoSuchDevice { .. } => "no-such-scanner",
            Self::AccessDenied => "access-denied",
            Self::DeviceIo { .. } => "scanner-io",
            Self::NoMemory => "scanner-memory",
            Self::Unsupported { .. } => "unsupported",
            Self::WarmingUp => "warming-up",
            Self::Locked => "transport-lock",
            Self::Cancelled => "cancelled",
            Self::Refused { .. } => "setting-refused",
            Self::Mismatch { .. } => "setting-mismatch",
            Self::Truncated { .. } => "page-cut-short",
            Self::FlatTail { .. } => "page-filled-up",
            Self::Stalled { .. } => "scanner-stalled",
            Self::Crashed { .. } => "scanner-crashed",
            Self::NoLibrary { .. } => "no-libsane",
            Self::UnknownStatus { .. } => "unknown-status",
        }
    }

    /// What happened.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::CoverOpen => "the scanner's cover is open".into(),
            Self::Jammed => "paper is jammed in the feeder".into(),
            Self::DoubleFeed => "two sheets were pulled in at once".into(),
            Self::FeederEmpty => "the feeder is empty".into(),
            Self::Busy => "the scanner is busy with another program".into(),
            Self::NoSuchDevice { device, known } if known.is_empty() => {
                format!("no scanner {device:?} is there, and SANE finds no other")
            }
            Self::NoSuchDevice { device, known } => {
                format!("no scanner {device:?} is there; SANE finds {}", known.join(", "))
            }
            Self::AccessDenied => "this user may not use the scanner".into(),
            Self::DeviceIo { what } | Self::Unsupported { what } => what.clone(),
            Self::NoMemory => "the scanner or its driver is out of memory".into(),
            Self::WarmingUp => "the lamp is warming up".into(),
            Self::Locked => "the scanner is locked for transport".into(),
            Self::Cancelled => "the scan was cancelled".into(),
            Self::Refused { option, asked, allowed } => {
                format!("the scanner has no {option} {asked}; it allows {allowed}")
            }
            Self::Mismatch { option, asked, took } => {
                format!("{option}: {asked} was asked for, the scanner took {took}")
            }
            Self::Truncated { got, expected } => format!("the page was cut short: {got} bytes came of {expected}"),
            Self::FlatTail { line, of } => {
                format!("from line {line} of {of} on the page is filled with flat grey: its transfer broke off")
            }
            Self::Stalled { seconds, doing } => {
                format!("the scanner stood still for {seconds} s while {doing}; its driver was ended")
            }
            Self::Crashed { how } => format!("the scanner's driver crashed ({how})"),
            Self::NoLibrary { reason } => reason.clone(),
            Self::UnknownStatus { status, doing } => {
                format!("the scanner's driver answered {status}, which SANE does not know, while {doing}")
            }
        }
    }

    /// What happened, in Chinese.
    pub(crate) fn text_zh(&self) -> String {
        match self {
            Self::CoverOpen => "扫描仪盖板未合上".into(),
            Self::Jammed => "进纸器卡纸".into(),
            Self::DoubleFeed => "一次吸入了两张纸".into(),
            Self::FeederEmpty => "进纸器已空".into(),
            Self::Busy => "扫描仪正被其他程序占用".into(),
            Self::NoSuchDevice { device, .. } => format!("找不到扫描仪 {device}"),
            Self::AccessDenied => "当前用户无权使用扫描仪".into(),
            Self::DeviceIo { .. } => "扫描仪通信出错".into(),
            Self::NoMemory => "扫描仪或其驱动内存不足".into(),
            Self::Unsupported { .. } => "扫描仪不支持此功能".into(),
            Self::WarmingUp => "扫描仪灯管正在预热".into(),
            Self::Locked => "扫描仪处于运输锁定状态".into(),
            Self::Cancelled => "扫描已取消".into(),
            Self::Refused { option, asked, allowed } => format!("扫描仪不支持 {option} {asked}（可用：{allowed}）"),
            Self::Mismatch { option, asked, took } => format!("{option} 要求 {asked}，扫描仪实际采用 {took}"),
            Self::Truncated { .. } => "页面传输不完整".into(),
            Self::FlatTail { line, of } => format!("页面自第 {line} 行（共 {of} 行）起为灰色填充，传输中断"),
            Self::Stalled { seconds, .. } => format!("扫描仪 {seconds} 秒无响应，其驱动已被终止"),
            Self::Crashed { .. } => "扫描仪驱动崩溃".into(),
            Self::NoLibrary { .. } => "未安装 SANE 库".into(),
            Self::UnknownStatus { status, .. } => format!("扫描仪驱动返回未知状态 {status}"),
        }
    }

    /// What the operator is asked to do, in English and Chinese.
    pub(crate) fn action(&self) -> (&'static str, &'static str) {
        match self {
            Self::CoverOpen => ("close the cover, then press start", "请合上扫描仪盖板，再按开始"),
            Self::Jammed => (
                "open the feeder, take the paper out, lay it back, press start",
                "请打开进纸器取出卡纸，重新放好后按开始",
            ),
            Self::DoubleFeed => {
                ("take both sheets out, lay them back one by one, press start", "请取出重叠的纸张，逐张放回后按开始")
            }
            Self::FeederEmpty => {
                ("lay the next sheets into the feeder, press start", "请在进纸器中放入后续纸张，再按开始")
            }
            Self::Busy => {
                ("close the other program that uses the scanner, press start", "请关闭占用扫描仪的其他程序，再按开始")
            }
            Self::NoSuchDevice { .. } => {
                ("switch the scanner on, check its cable, press start", "请打开扫描仪电源并检查连线，再按开始")
            }
            Self::AccessDenied => {
                ("tell the administrator: the user must be in the group scanner", "请联系管理员：用户须加入 scanner 组")
            }
            Self::DeviceIo { .. } | Self::Stalled { .. } | Self::Crashed { .. } | Self::UnknownStatus { .. } => (
                "scan this page again; if it happens again, switch the scanner off and on",
                "请重新扫描本页；如再次出现，请将扫描仪断电重启",
            ),
            Self::Truncated { .. } | Self::FlatTail { .. } => ("scan this page again", "请重新扫描本页"),
            Self::NoMemory => ("switch the scanner off and on, press start", "请将扫描仪断电重启，再按开始"),
            Self::WarmingUp => ("wait a moment, press start again", "请稍候，再按开始"),
            Self::Locked => ("open the transport lock of the scanner", "请打开扫描仪的运输锁"),
            Self::Cancelled => ("press start to scan the page again", "请按开始重新扫描本页"),
            Self::Unsupported { .. } | Self::Refused { .. } | Self::Mismatch { .. } => {
                ("choose a setting that this scanner has", "请选择扫描仪支持的设置")
            }
            Self::NoLibrary { .. } => ("tell the administrator: install libsane1", "请联系管理员安装 libsane1"),
        }
    }

    pub(crate) fn retry(&self) -> Retry {
        match self {
            Self::CoverOpen
            | Self::Jammed
            | Self::DoubleFeed
            | Self::FeederEmpty
            | Self::Cancelled
            | Self::DeviceIo { .. }
            | Self::Truncated { .. }
            | Self::FlatTail { .. }
            | Self::Stalled { .. }
            | Self::Crashed { .. }
            | Self::UnknownStatus { .. }
            | Self::NoMemory
            | Self::Locked => Retry::AfterAction,
            Self::Busy | Self::WarmingUp | Self::NoSuchDevice { .. } => Retry::Later,
            Self::AccessDenied
            | Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::Mismatch { .. }
            | Self::NoLibrary { .. } => Retry::No,
        }
    }

    /// Whether the operator can deal with it alone.
    pub(crate) fn severity(&self) -> Severity {
        match self.retry() {
            Retry::AfterAction | Retry::Later => Severity::Operator,
            Retry::No => Severity::Alarm,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_status_has_a_name_an_action_in_two_languages_and_a_word_on_retry() {
        for status in (1..=13).chain([99, -1]) {
            let fault = Fault::from_status(status, "starting the scan");
            assert!(!fault.text().is_empty() && !fault.action().0.is_empty() && !fault.action().1.is_empty());
        }
        assert_eq!(Fault::from_status(99, "x").name(), "unknown-status");
        assert_eq!(Fault::from_status(8, "x"), Fault::CoverOpen);
        assert_eq!(Fault::CoverOpen.retry(), Retry::AfterAction);
        assert_eq!(Fault::AccessDenied.retry(), Retry::No);
    }
}
