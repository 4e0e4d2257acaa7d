//! What programs read goes to standard output, what people read to standard error.
//!
//! Colours are for terminals; `NO_COLOR`, `CLICOLOR_FORCE` and `--color` decide otherwise. With `--json`, what would be
//! said to people is a line of JSON as well.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::OnceLock;

use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use serde::Serialize;
use serde_json::{Value, json};
use tracing_subscriber::EnvFilter;

use crate::exit;

const ERROR: Style = AnsiColor::Red.on_default().bold();
const HINT: Style = AnsiColor::Cyan.on_default();
const HEAD: Style = Style::new().bold();

/// Nobody reads standard output any more, as after `head`. That is no failure, but there is no use in going on.
#[derive(Debug)]
pub(crate) struct NobodyReads;

impl fmt::Display for NobodyReads {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("nobody reads standard output any more")
    }
}

impl std::error::Error for NobodyReads {}

/// Whether a program reads what is written to standard error, too. Set once, from the arguments, as colours are.
static TELLS_PROGRAMS: OnceLock<bool> = OnceLock::new();

pub(crate) fn tell_programs(tell: bool) {
    // Nobody sets it a second time.
    let _ = TELLS_PROGRAMS.set(tell);
}

fn tells_programs() -> bool {
    TELLS_PROGRAMS.get().is_some_and(|tells| *tells)
}

/// Says something to the person at the terminal. A closed standard error leaves nobody to tell.
pub(crate) fn message(text: &str) {
    let text = if tells_programs() {
        without_controls(&json!({ "message": text }).to_string())
    } else {
        format!("sandbox: {text}")
    };
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Asks, and leaves the cursor behind the question.
pub(crate) fn question(text: &str) {
    let mut err = anstream::stderr().lock();
    let _ = write!(err, "sandbox: {text}").and_then(|()| err.flush());
}

/// Reports an error with its causes, each once, and what to do about it.
pub(crate) fn error(error: &anyhow::Error, hint: Option<&str>) {
    if tells_programs() {
        let line = without_controls(&as_json(error, hint).to_string());
        let _ = writeln!(anstream::stderr().lock(), "{line}");
        return;
    }
    let mut text = format!("{ERROR}sandbox:{ERROR:#} {error}\n");
    let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    if !causes.is_empty() {
        text += &format!("  caused by: {}\n", causes.join(": "));
    }
    if let Some(hint) = hint {
        text += &format!("  {HINT}hint:{HINT:#} {hint}\n");
    }
    let _ = anstream::stderr().lock().write_all(text.as_bytes());
}

/// As the API has its errors, with what this command adds. What is not known is left out.
fn as_json(error: &anyhow::Error, hint: Option<&str>) -> Value {
    let answer = error
        .chain()
        .find_map(|cause| cause.downcast_ref::<sandbox_sessions::Error>());
    let causes: Vec<_> = error.chain().skip(1).map(ToString::to_string).collect();
    let mut object = json!({
        "error": answer.and_then(sandbox_sessions::Error::error_code),
        "message": error.to_string(),
        "causes": causes,
        "hint": hint,
        "exitCode": exit::number(error),
        "status": answer.and_then(sandbox_sessions::Error::status_code),
        "requestId": answer.and_then(sandbox_sessions::Error::request_id),
    });
    if let Some(object) = object.as_object_mut() {
        object.retain(|_, value| !value.is_null() && *value != json!([]));
    }
    object
}

/// Prints a line for programs.
pub(crate) fn line(text: &str) -> anyhow::Result<()> {
    let mut out = anstream::stdout().lock();
    written(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Fills a terminal from its top with lines, over what was there: clearing it first would flicker.
pub(crate) fn screen(lines: &[String]) -> anyhow::Result<()> {
    const HOME: &str = "\x1b[H";
    const CLEAR_LINE: &str = "\x1b[K";
    const CLEAR_BELOW: &str = "\x1b[J";
    let colours = anstream::AutoStream::choice(&io::stdout()) != anstream::ColorChoice::Never;
    let mut text = HOME.to_owned();
    for line in lines {
        let line = if colours {
            line.clone()
        } else {
            strip_str(line).to_string()
        };
        text += &format!("{line}{CLEAR_LINE}\n");
    }
    text += CLEAR_BELOW;
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn written(outcome: io::Result<()>) -> anyhow::Result<()> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Err(NobodyReads.into()),
        outcome => Ok(outcome?),
    }
}

/// Prints a value as JSON: readable on a terminal, a line elsewhere.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    if io::stdout().is_terminal() {
        line(&without_controls(&serde_json::to_string_pretty(value)?))
    } else {
        json_line(value)
    }
}

/// Prints a value as one line of JSON, for what prints several.
pub(crate) fn json_line(value: &impl Serialize) -> anyhow::Result<()> {
    line(&without_controls(&serde_json::to_string(value)?))
}

/// JSON lets strings hold some characters that steer a terminal, and lets them be escaped as well.
fn without_controls(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() && c != '\n' {
            text += &format!("\\u{:04x}", u32::from(c));
        } else {
            text.push(c);
        }
    }
    text
}

/// A piece of text in a table.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn new(text: impl fmt::Display) -> Self {
        Self::styled(text, Style::new())
    }

    /// What the API says is shown without what would steer a terminal.
    pub(crate) fn styled(text: impl fmt::Display, style: Style) -> Self {
        let text = text.to_string();
        let shown = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c });
        Self {
            text: shown.collect(),
            style,
        }
    }
}

/// Rows in columns as wide as their widest cell, as lines.
pub(crate) fn table<const COLUMNS: usize>(head: [&str; COLUMNS], rows: Vec<[Cell; COLUMNS]>) -> Vec<String> {
    let head = head.map(|name| Cell::styled(name, HEAD));
    let rows: Vec<_> = std::iter::once(head).chain(rows).collect();
    let mut widths = [0; COLUMNS];
    for row in &rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.chars().count());
        }
    }
    rows.iter().map(|row| table_line(row, widths)).collect()
}

fn table_line<const COLUMNS: usize>(row: &[Cell; COLUMNS], widths: [usize; COLUMNS]) -> String {
    let mut line = String::new();
    for (column, (Cell { text, style }, width)) in row.iter().zip(widths).enumerate() {
        line += &format!("{style}{text}{style:#}");
        if column + 1 < COLUMNS {
            line.extend(std::iter::repeat_n(' ', width - text.chars().count() + 2));
        }
    }
    line
}

/// Warnings and errors of the libraries, and more where `RUST_LOG` asks for it.
pub(crate) fn log_to_stderr(default: &str) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let colours = anstream::AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(colours)
        .with_writer(io::stderr)
        .init();
}
