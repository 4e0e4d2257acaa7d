//! What is different between two texts, in lines.

use std::collections::HashMap;

/// Lines that only one of two sorted listings has, like a diff would show them.
pub(crate) fn of_lines(old: &str, new: &str) -> String {
    let only = |sign: char, these: &str, those: &str| {
        let mut left = counted(those);
        let mut lines = String::new();
        for line in these.lines() {
            match left.get_mut(line) {
                Some(count) if *count > 0 => *count -= 1,
                _ => lines.push_str(&format!("{sign} {line}\n")),
            }
        }
        lines
    };
    only('-', old, new) + &only('+', new, old)
}

fn counted(text: &str) -> HashMap<&str, usize> {
    let mut counts = HashMap::new();
    for line in text.lines() {
        *counts.entry(line).or_default() += 1;
    }
    counts
}

/// Describes the first line in which two texts differ, like a diff would.
pub(crate) fn first(old: &str, new: &str) -> Option<String> {
    if old == new {
        return None;
    }
    let (mut old_lines, mut new_lines) = (old.lines(), new.lines());
    for number in 1.. {
        let (old, new) = (old_lines.next(), new_lines.next());
        if old != new {
            let side =
                |sign, line: Option<&str>| line.map_or_else(String::new, |line| format!("\n{sign} {line}"));
            return Some(format!(
                "first difference, in line {number}:{}{}",
                side('-', old),
                side('+', new)
            ));
        }
        if old.is_none() {
            break;
        }
    }
    Some("they differ in their line ends".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_the_lines_that_only_one_has() {
        assert_eq!(of_lines("a\nb\nb\n", "b\nc\n"), "- a\n- b\n+ c\n");
        assert_eq!(of_lines("a\n", "a\n"), "");
    }

    #[test]
    fn shows_the_first_line_that_differs() {
        assert_eq!(first("a\nb\n", "a\nb\n"), None);
        assert_eq!(
            first("a\nb\nc\n", "a\nx\ny\n").unwrap(),
            "first difference, in line 2:\n- b\n+ x"
        );
        assert_eq!(
            first("a\n", "a\nb\n").unwrap(),
            "first difference, in line 2:\n+ b"
        );
        assert_eq!(first("a\nb", "a").unwrap(), "first difference, in line 2:\n- b");
        assert_eq!(first("a\r\n", "a\n").unwrap(), "they differ in their line ends");
    }
}
