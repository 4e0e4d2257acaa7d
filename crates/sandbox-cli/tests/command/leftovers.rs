//! What a command could leave on a machine.

use std::cell::RefCell;

use contract_tests::traces::Traces;

use crate::support::{Place, eventually_saying};

/// Waits until there is nothing on the machine that was not there before. The kernel takes namespaces down after
/// their last process has gone, so what was there before may have been on its way out.
pub(crate) fn return_to(before: &Traces) {
    let left = RefCell::new(Vec::new());
    let what = || format!("the machine is as it was, but for {:?}", left.borrow());
    eventually_saying(what, || {
        left.replace(Traces::now().beyond(before));
        left.borrow().is_empty()
    });
}

/// As [`return_to`], and nothing is left where the command kept its things.
pub(crate) fn nothing_left(before: &Traces, place: &Place) {
    return_to(before);
    let files = place.files();
    assert!(files.is_empty(), "left behind: {files:?}");
}
