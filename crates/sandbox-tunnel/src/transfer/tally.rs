use std::sync::{Arc, Mutex, PoisonError};

use super::{Observer, TransferOptions, TransferProgress, Transferred};

/// Counts what goes over, and tells who wants to know.
pub(super) struct Tally {
    progress: Mutex<TransferProgress>,
    observer: Option<Arc<Observer>>,
}

impl Tally {
    pub(super) fn new(files: u64, bytes: u64, options: &TransferOptions) -> Self {
        Self {
            progress: Mutex::new(TransferProgress {
                total_files: files,
                total_bytes: bytes,
                ..TransferProgress::default()
            }),
            observer: options.progress.clone(),
        }
    }

    pub(super) fn bytes(&self, count: usize) {
        self.change(|progress| progress.bytes += count as u64);
    }

    /// Bytes that were there already.
    pub(super) fn resumed(&self, count: u64) {
        self.change(|progress| {
            progress.bytes += count;
            progress.resumed_bytes += count;
        });
    }

    pub(super) fn file(&self) {
        self.change(|progress| progress.files += 1);
    }

    pub(super) fn transferred(&self, skipped: u64) -> Transferred {
        let progress = *self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        Transferred {
            files: progress.files,
            bytes: progress.bytes,
            resumed_bytes: progress.resumed_bytes,
            skipped,
        }
    }

    fn change(&self, change: impl FnOnce(&mut TransferProgress)) {
        let mut progress = self.progress.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut progress);
        // While it is locked, so that what is told never goes backwards.
        if let Some(observer) = &self.observer {
            observer(*progress);
        }
    }
}
