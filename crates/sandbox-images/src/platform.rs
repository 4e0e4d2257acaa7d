//! Which of an index's images is for this machine.

use crate::manifest::{Descriptor, Index, Platform};
use crate::{Error, ErrorKind, Result};

/// A machine, as images call it.
#[derive(Debug, Clone, Copy)]
struct Machine {
    architecture: &'static str,
    /// The highest variant of it that surely runs here: 7 is `v7`.
    variant: u32,
}

/// The one that is for this platform; next to it the first that does not say which it is for.
pub(crate) fn for_this_platform(index: &Index) -> Result<&Descriptor> {
    choose(index, Machine::this())
}

fn choose(index: &Index, machine: Machine) -> Result<&Descriptor> {
    let fitting = index.manifests.iter().filter_map(|descriptor| {
        let fit = match &descriptor.platform {
            Some(platform) => machine.fit(platform)?,
            None => 0,
        };
        Some((fit, descriptor))
    });
    // Of equals the last is the greatest, and the first is wanted.
    let best = fitting.rev().max_by_key(|(fit, _)| *fit);
    best.map(|(_, descriptor)| descriptor).ok_or_else(|| {
        Error::new(
            ErrorKind::NotFound,
            format!("there is no image for linux/{}", machine.architecture),
        )
    })
}

impl Machine {
    fn this() -> Self {
        let (architecture, variant) = match std::env::consts::ARCH {
            "x86_64" => ("amd64", 1),
            "aarch64" => ("arm64", 8),
            "arm" => ("arm", if cfg!(target_feature = "v7") { 7 } else { 6 }),
            "x86" => ("386", 0),
            other => (other, 0),
        };
        Self {
            architecture,
            variant,
        }
    }

    /// How well what is made for a platform fits, or `None` when it does not run here. What names no variant is made
    /// for them all.
    fn fit(self, platform: &Platform) -> Option<u32> {
        if platform.os != "linux" || platform.architecture != self.architecture {
            return None;
        }
        let Some(variant) = platform.variant.as_deref().filter(|variant| !variant.is_empty()) else {
            return Some(1 + self.variant);
        };
        let number: u32 = variant.strip_prefix('v')?.parse().ok()?;
        (number <= self.variant).then_some(1 + number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Digest;

    const ARM_6: Machine = Machine {
        architecture: "arm",
        variant: 6,
    };
    const ARM_7: Machine = Machine {
        architecture: "arm",
        variant: 7,
    };
    const AMD: Machine = Machine {
        architecture: "amd64",
        variant: 1,
    };

    /// Each `os/architecture/variant`; the size of a manifest is its place.
    fn index(platforms: &[&str]) -> Index {
        let manifest = |(place, text): (usize, &&str)| {
            let mut parts = text.split('/').map(str::to_owned);
            let os = parts.next().filter(|os| !os.is_empty());
            let platform = os.map(|os| Platform {
                os,
                architecture: parts.next().unwrap(),
                variant: parts.next(),
            });
            Descriptor {
                digest: Digest::of(b""),
                size: place as u64,
                platform,
                annotations: None,
            }
        };
        Index {
            manifests: platforms.iter().enumerate().map(manifest).collect(),
        }
    }

    fn chosen(platforms: &[&str], machine: Machine) -> Option<u64> {
        choose(&index(platforms), machine)
            .ok()
            .map(|descriptor| descriptor.size)
    }

    #[test]
    fn takes_the_highest_variant_that_runs() {
        let arms = [
            "linux/amd64",
            "linux/arm/v5",
            "linux/arm/v6",
            "linux/arm/v7",
            "linux/arm64/v8",
        ];
        assert_eq!(chosen(&arms, ARM_6), Some(2));
        assert_eq!(chosen(&arms, ARM_7), Some(3));
        assert_eq!(chosen(&["linux/amd64/v3", "linux/amd64"], AMD), Some(1));
        assert_eq!(
            chosen(&["linux/amd64/v3", "windows/amd64", "unknown/unknown"], AMD),
            None
        );
        assert_eq!(chosen(&["linux/amd64/many"], AMD), None);
    }

    #[test]
    fn prefers_what_says_that_it_fits() {
        assert_eq!(chosen(&["", "linux/amd64", "linux/amd64/v1"], AMD), Some(1));
        assert_eq!(chosen(&["linux/s390x", "", ""], AMD), Some(1));
    }
}
