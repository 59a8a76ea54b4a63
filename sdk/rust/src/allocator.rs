//! The plugin's allocator: the one of Rust's own standard library for wasm, with room to begin in.
//!
//! An instance begins with the memory that the module declares. The toolchain's allocator finds there what is left of the
//! last page after data and stack, by chance anything from nothing to 64 KiB, and then grows the memory. To grow is one
//! system call, to shrink again for the next instance another, and each interrupts every core that runs the process: it
//! halves the requests a second. Here the first [`ROOM`] bytes are part of what the module declares: zeroed, in no file,
//! and not touched before they are used.

use std::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    sync::atomic::{AtomicBool, Ordering},
};

use dlmalloc::Dlmalloc;

/// Four pages: a request with some kilobytes of JSON, and the adapter's state, take two.
const ROOM: usize = 256 << 10;

const PAGE: usize = 64 << 10;

#[repr(align(16))]
struct Room(UnsafeCell<[u8; ROOM]>);

#[expect(unsafe_code, reason = "an allocator hands out memory that nothing else names")]
// SAFETY: nothing reads or writes it but through the allocator that takes it once.
unsafe impl Sync for Room {}

static ROOM_TO_BEGIN: Room = Room(UnsafeCell::new([0; ROOM]));

/// Where the allocator has its memory from: first the room, then the engine.
struct Pages {
    begun: AtomicBool,
}

#[expect(unsafe_code, reason = "an allocator hands out memory that nothing else names")]
// SAFETY: the room is given once, and what the engine grows belongs to who grew it. Nothing is ever given back.
unsafe impl dlmalloc::Allocator for Pages {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if size <= ROOM && !self.begun.swap(true, Ordering::Relaxed) {
            return (ROOM_TO_BEGIN.0.get().cast(), ROOM, 0);
        }
        let pages = size.div_ceil(PAGE);
        match core::arch::wasm32::memory_grow::<0>(pages) {
            usize::MAX => (std::ptr::null_mut(), 0, 0),
            page => ((page * PAGE) as *mut u8, pages * PAGE, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        std::ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        PAGE
    }
}

struct Allocator(UnsafeCell<Dlmalloc<Pages>>);

#[expect(unsafe_code, reason = "an allocator hands out memory that nothing else names")]
// SAFETY: wasm32-wasip2 has one thread.
unsafe impl Sync for Allocator {}

#[global_allocator]
static ALLOCATOR: Allocator =
    Allocator(UnsafeCell::new(Dlmalloc::new_with_allocator(Pages { begun: AtomicBool::new(false) })));

#[expect(unsafe_code, reason = "an allocator is unsafe to write")]
// SAFETY: each call is passed on as it is; with one thread, and no call from inside another, nobody else has the
// allocator.
unsafe impl GlobalAlloc for Allocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        unsafe { (*self.0.get()).calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { (*self.0.get()).free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        unsafe { (*self.0.get()).realloc(pointer, layout.size(), layout.align(), size) }
    }
}
