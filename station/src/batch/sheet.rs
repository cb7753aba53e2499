//! The tracking sheet 电子档案信息跟踪表: one workbook for each small batch, beside the images.

use super::{Plan, store::VolumeHistory};
use rust_xlsxwriter::{Format, FormatAlign, FormatBorder, Workbook, XlsxError};

/// Name of the file in the batch's folder.
pub(crate) const FILE_NAME: &str = "tracking-sheet.xlsx";

const COLUMNS: [(&str, &str, f64); 12] = [
    ("序号", "No.", 6.0),
    ("档号", "Archival code", 24.0),
    ("题名", "Title", 30.0),
    ("应扫页数", "Pages expected", 10.0),
    ("实扫页数", "Pages scanned", 10.0),
    ("扫描员", "Operator", 12.0),
    ("扫描中的问题", "Problems met", 36.0),
    ("修图 (签名)", "Retouch", 12.0),
    ("著录 (签名)", "Data entry", 12.0),
    ("上传 (签名)", "Upload", 12.0),
    ("质检 (签名)", "Quality check", 12.0),
    ("备注", "Remarks", 24.0),
];

/// The sheet as bytes of an xlsx file.
pub(crate) fn workbook(
    plan: &Plan,
    operator: &str,
    date: &str,
    history: &[VolumeHistory],
) -> Result<Vec<u8>, XlsxError> {
    let mut book = Workbook::new();
    let sheet = book.add_worksheet();
    sheet.set_name("跟踪表")?;
    sheet.set_landscape().set_print_fit_to_pages(1, 0);
    let bold = Format::new().set_bold().set_font_size(14);
    sheet.write_with_format(0, 0, "电子档案信息跟踪表 / Tracking sheet", &bold)?;
    sheet.write(1, 0, format!("批次 / Batch: {}    日期 / Date: {date}", plan.batch))?;
    let cell = Format::new().set_border(FormatBorder::Thin).set_text_wrap().set_align(FormatAlign::Top);
    let head = cell.clone().set_bold().set_align(FormatAlign::Center);
    for (column, (zh, en, width)) in (0..).zip(COLUMNS) {
        sheet.write_with_format(3, column, format!("{zh}\n{en}"), &head)?;
        sheet.set_column_width(column, width)?;
    }
    for ((row, volume), done) in (4..).zip(&plan.volumes).zip(history) {
        sheet.write_with_format(row, 0, row - 3, &cell)?;
        sheet.write_with_format(row, 1, volume.code.as_str(), &cell)?;
        sheet.write_with_format(row, 2, volume.title.as_str(), &cell)?;
        sheet.write_with_format(row, 3, volume.expected, &cell)?;
        sheet.write_with_format(row, 4, done.kept, &cell)?;
        sheet.write_with_format(row, 5, operator, &cell)?;
        sheet.write_with_format(row, 6, problems(done), &cell)?;
        for empty in 7..12 {
            sheet.write_blank(row, empty, &cell)?;
        }
    }
    sheet.set_freeze_panes(4, 0)?;
    book.save_to_buffer()
}

/// `lid-opened ×1; askew: 3, 7`
fn problems(volume: &VolumeHistory) -> String {
    let mut parts: Vec<String> = volume.voided.iter().map(|(fault, times)| format!("{fault} ×{times}")).collect();
    let mut flags: Vec<&str> = volume.flags.iter().map(|(flag, _)| flag.as_str()).collect();
    flags.sort_unstable();
    flags.dedup();
    for flag in flags {
        let pages: Vec<_> = volume.flags.iter().filter(|(f, _)| f == flag).map(|(_, n)| n.to_string()).collect();
        parts.push(format!("{flag}: {}", pages.join(", ")));
    }
    parts.join("; ")
}
