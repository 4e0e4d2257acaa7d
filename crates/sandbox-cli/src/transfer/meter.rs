use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Counts bytes, and shows them on standard error if that is a terminal.
#[derive(Clone)]
pub(crate) struct Meter {
    bar: ProgressBar,
    bytes: Arc<AtomicU64>,
}

impl Meter {
    pub(crate) fn new(name: &str) -> Self {
        // Nothing is drawn where there is no terminal.
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let name: String = name
            .chars()
            .map(|c| if c.is_control() { '\u{fffd}' } else { c })
            .collect();
        bar.set_style(style("{msg} {bytes} ({bytes_per_sec})"));
        bar.set_message(name);
        Self {
            bar,
            bytes: Arc::default(),
        }
    }

    /// How many bytes there will be.
    pub(super) fn expect(&self, bytes: u64) {
        self.bar.set_length(bytes);
        self.bar.set_style(style(
            "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta})",
        ));
    }

    pub(super) fn add(&self, bytes: usize) {
        let bytes = bytes as u64;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        self.bar.inc(bytes);
    }

    /// How many bytes have gone over by now, of how many.
    pub(super) fn reached(&self, bytes: u64, total: u64) {
        if self.bar.length() != Some(total) {
            self.expect(total);
        }
        self.bytes.store(bytes, Ordering::Relaxed);
        self.bar.set_position(bytes);
    }

    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes the bar away.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

/// A template is part of this file; one with a mistake is left for the library's own.
fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .unwrap_or_else(|_| ProgressStyle::default_bar())
        .progress_chars("=> ")
}
