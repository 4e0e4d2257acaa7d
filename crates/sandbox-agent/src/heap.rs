//! How the allocator deals with buffers.

/// More than any buffer that comes and goes with every packet.
const BUFFER: usize = 1 << 20;

/// Has the allocator reuse the memory of buffers up to a mebibyte. At first it asks the kernel for each of more than
/// 128 KiB and gives it back at once, so that every page of every buffer is faulted in anew, which took half of the time
/// of a large file's SFTP server. It learns from the first large one that it sees freed, and from then on keeps up to
/// twice as much of what is free at the end of its heap.
pub(crate) fn reuse_large_buffers() {
    drop(std::hint::black_box(Vec::<u8>::with_capacity(BUFFER)));
}
