//go:build wasip1

package wasmbay

import "unsafe"

// Between the module and the host stands an adapter from WASI preview 1, which keeps its state in the module's memory. It would
// add pages for that; but Go takes all memory behind its heap for its own. So the adapter is given room here, the first time before
// Go's runtime has started.
var kept [4 << 16]byte

// How much of it was given away.
var keptUsed uint32

// Where the host puts results: each call's are read before the next call.
var room [1 << 20]byte

// How much of it was given out since it began anew.
var used uint32

// Memory for the adapter, which never gives it back.
//
// While this or realloc runs nothing may be called, and Go may neither allocate, for which it looks at the clock, nor make
// its stack larger.
//
//go:nosplit
//go:wasmexport cabi_realloc
func reallocKept(old, oldSize, align, size uint32) uint32 {
	base := uint32(uintptr(unsafe.Pointer(&kept)))
	at := (base + keptUsed + align - 1) &^ (align - 1)
	if at+size > base+uint32(len(kept)) {
		return nowhere
	}
	keptUsed = at + size - base
	return at
}

// Memory for a call's results. More than there is has no call, as the host limits headers and we the pieces of bodies.
//
//go:nosplit
//go:wasmexport cabi_import_realloc
func realloc(old, oldSize, align, size uint32) uint32 {
	if size > uint32(len(room)) {
		return nowhere
	}
	from := (used + 7) &^ 7
	if from+size > uint32(len(room)) {
		from = 0
	}
	used = from + size
	return uint32(uintptr(unsafe.Pointer(&room))) + from
}

// An address that the host refuses: the instance ends.
const nowhere = ^uint32(0) &^ 7

// A copy of what the host put there.
func take(at, length uint32) []byte {
	if length == 0 {
		return nil
	}
	return append([]byte(nil), unsafe.Slice((*byte)(unsafe.Pointer(uintptr(at))), length)...)
}

// Where the host puts the rest of a call's result. None of wasi:http's is larger.
type area [7]uint64

func (a *area) at(offset uintptr) unsafe.Pointer { return unsafe.Add(unsafe.Pointer(a), offset) }
func (a *area) byte(offset uintptr) byte         { return *(*byte)(a.at(offset)) }
func (a *area) word(offset uintptr) uint32       { return *(*uint32)(a.at(offset)) }
func (a *area) long(offset uintptr) uint64       { return *(*uint64)(a.at(offset)) }
func (a *area) text(offset uintptr) string       { return string(a.bytes(offset)) }
func (a *area) bytes(offset uintptr) []byte      { return take(a.word(offset), a.word(offset+4)) }

// The text of an option<string>; empty if there is none.
func (a *area) someText(offset uintptr) string {
	if a.byte(offset) == 0 {
		return ""
	}
	return a.text(offset + 4)
}
