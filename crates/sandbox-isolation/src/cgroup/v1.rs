//! Version 1: one hierarchy per controller.

use super::mounts::{Hierarchy, Version};
use super::{Base, CPU_PERIOD, Controller, Setting, cpu_quota, memory_bytes};
use crate::error::Error;
use crate::launch::Limits;

/// Tries whether groups can be made here. `None`: there is nothing of interest in this hierarchy.
pub(super) fn base(hierarchy: &Hierarchy) -> Result<Option<Base>, Error> {
    let controllers = hierarchy.offered();
    if controllers.is_empty() {
        return Ok(None);
    }
    super::with_trial_group(&hierarchy.own, |_| Ok(()))?;
    Ok(Some(Base {
        version: Version::V1,
        directory: hierarchy.own.clone(),
        controllers,
    }))
}

pub(super) fn settings(controller: Controller, limits: &Limits) -> Vec<Setting> {
    match controller {
        Controller::Memory => vec![
            Setting::required("memory.limit_in_bytes", memory_bytes(limits)),
            // Memory and swap space together: none of the latter.
            Setting::optional("memory.memsw.limit_in_bytes", memory_bytes(limits)),
        ],
        Controller::Pids => vec![Setting::required("pids.max", limits.pids)],
        Controller::Cpu => vec![
            Setting::required("cpu.cfs_period_us", CPU_PERIOD),
            Setting::required("cpu.cfs_quota_us", cpu_quota(limits)),
        ],
    }
}
