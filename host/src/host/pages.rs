//! Memory is held by small pages (`decisions/0097-small-pages.md`).

/// Has the kernel give this process and its children memory by the page alone, never by the 2 MiB: the allocator asks for large ones, and
/// then a connection that takes 2 KiB between others holds what lies around it. Where the kernel cannot, all that is lost is memory.
pub fn hold_small_pages() {
    #[cfg(target_os = "linux")]
    let _ = rustix::thread::disable_transparent_huge_pages(true);
}
