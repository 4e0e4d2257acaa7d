use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::{Builder, Header};

use super::{Skipped, named};

/// The name under which an archive that is made here holds the folder.
const ROOT: &str = "folder";

/// Writes a folder of this machine as an archive. Links stay links.
pub(in crate::transfer) fn pack(folder: &Path, out: &mut impl Write) -> io::Result<Skipped> {
    let mut builder = Builder::new(out);
    builder.sparse(false);
    let mut skipped = Skipped::default();
    // Deep folders must not exhaust the stack.
    let mut left = vec![PathBuf::new()];
    while let Some(name) = left.pop() {
        let (path, inside) = (folder.join(&name), Path::new(ROOT).join(&name));
        let unreadable = |error| named(&path, error);
        let metadata = if name == Path::new("") {
            fs::metadata(&path)
        } else {
            fs::symlink_metadata(&path)
        };
        let metadata = metadata.map_err(unreadable)?;
        if metadata.is_dir() {
            builder.append_dir(&inside, &path).map_err(unreadable)?;
            for entry in fs::read_dir(&path).map_err(unreadable)? {
                left.push(name.join(entry.map_err(unreadable)?.file_name()));
            }
        } else if metadata.is_file() {
            let mut file = File::open(&path).map_err(unreadable)?;
            builder.append_file(&inside, &mut file).map_err(unreadable)?;
        } else if metadata.is_symlink() {
            let target = fs::read_link(&path).map_err(unreadable)?;
            let mut header = Header::new_gnu();
            header.set_metadata(&metadata);
            builder
                .append_link(&mut header, &inside, &target)
                .map_err(unreadable)?;
        } else {
            skipped.add(&name);
        }
    }
    builder.finish()?;
    Ok(skipped)
}
