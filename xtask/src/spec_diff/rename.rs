//! One thing that went and one alike that came are one thing with a new name.

use std::collections::BTreeMap;

pub(super) struct Renames<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Renames<'a> {
    /// Pairs what is in `old` alone with what is in `new` alone. Where more than one would do, nothing is said: which
    /// became which could only be guessed.
    pub(super) fn find<T>(
        old: &[(&'a str, T)],
        new: &[(&'a str, T)],
        alike: impl Fn(&T, &T) -> bool,
    ) -> Self {
        let went: Vec<_> = old.iter().filter(|(name, _)| !has(new, name)).collect();
        let came: Vec<_> = new.iter().filter(|(name, _)| !has(old, name)).collect();
        let mut renames = BTreeMap::new();
        for (name, thing) in &went {
            let candidates: Vec<_> = came.iter().filter(|(_, other)| alike(thing, other)).collect();
            let rivals = went.iter().filter(|(_, other)| alike(thing, other)).count();
            if let ([(new_name, _)], 1) = (candidates.as_slice(), rivals) {
                renames.insert(*name, *new_name);
            }
        }
        Self(renames)
    }

    pub(super) fn new_name(&self, old: &str) -> Option<&'a str> {
        self.0.get(old).copied()
    }

    pub(super) fn is_new_name(&self, name: &str) -> bool {
        self.0.values().any(|new| *new == name)
    }
}

fn has<T>(things: &[(&str, T)], name: &str) -> bool {
    things.iter().any(|(other, _)| *other == name)
}
