//go:build wasip1

package wasmbay

import (
	"errors"
	"io"
	"unsafe"
)

// The most that one read asks for.
const piece = 65536

var errBrokeOff = errors.New("the body broke off")

// A body that comes in. Its parts are given back by Close, or at the end.
type incoming struct {
	body, stream uint32
	open         bool
	// Called when its parts are given back.
	then func()
	rest []byte
	err  error
}

// Opens a body that was consumed; `ret` holds the result of that.
func openIncoming(ret *area, then func()) *incoming {
	body := ret.word(4)
	incomingStream(body, unsafe.Pointer(ret))
	return &incoming{body: body, stream: ret.word(4), open: true, then: then}
}

func (b *incoming) Read(into []byte) (int, error) {
	if len(into) == 0 {
		return 0, nil
	}
	for len(b.rest) == 0 {
		if b.err != nil {
			return 0, b.err
		}
		b.fill()
	}
	count := copy(into, b.rest)
	b.rest = b.rest[count:]
	return count, nil
}

func (b *incoming) fill() {
	if !b.open {
		b.err = errors.New("the body is closed")
		return
	}
	ret := new(area)
	blockingRead(b.stream, piece, unsafe.Pointer(ret))
	if ret.byte(0) == 0 {
		b.rest = ret.bytes(4)
		return
	}
	b.err = io.EOF
	if failed := ret.byte(4) == 0; failed {
		b.err = failure(ret.word(8))
	}
	b.Close()
}

// What an error of a stream is to HTTP. Gives it back.
func failure(err uint32) error {
	defer dropError(err)
	ret := new(area)
	httpErrorCode(err, unsafe.Pointer(ret))
	if ret.byte(0) == 0 {
		return errBrokeOff
	}
	return &Error{Code: codeAt(ret, 8)}
}

func (b *incoming) Close() error {
	if b.open {
		b.open = false
		dropInputStream(b.stream)
		dropIncomingBody(b.body)
		if b.then != nil {
			b.then()
		}
	}
	return nil
}

// A body that goes out.
type outgoing struct {
	body, stream uint32
	// Whether the other side takes no more.
	refused bool
}

func (b *outgoing) Write(data []byte) (int, error) {
	ret, written := new(area), 0
	for written < len(data) {
		checkWrite(b.stream, unsafe.Pointer(ret))
		if ret.byte(0) != 0 {
			b.refused = true
			return written, streamError(ret)
		}
		room := min(ret.long(8), uint64(len(data)-written))
		if room == 0 {
			ready := outputSubscribe(b.stream)
			pollableBlock(ready)
			dropPollable(ready)
			continue
		}
		streamWrite(b.stream, unsafe.Pointer(&data[written]), uint32(room), unsafe.Pointer(ret))
		if ret.byte(0) != 0 {
			b.refused = true
			return written, streamError(ret)
		}
		written += int(room)
	}
	return written, nil
}

func (b *outgoing) flush() {
	ret := new(area)
	streamFlush(b.stream, unsafe.Pointer(ret))
	if ret.byte(0) != 0 {
		streamError(ret)
	}
}

// Ends the body, which is whole.
func (b *outgoing) finish() error {
	b.flush()
	dropOutputStream(b.stream)
	ret := new(area)
	bodyFinish(b.body, 0, 0, unsafe.Pointer(ret))
	if ret.byte(0) != 0 {
		return &Error{Code: codeAt(ret, 8)}
	}
	return nil
}

// Breaks the body off.
func (b *outgoing) breakOff() {
	dropOutputStream(b.stream)
	dropOutgoingBody(b.body)
}

// Why no more is taken.
func streamError(ret *area) error {
	if ret.byte(4) == 0 {
		return failure(ret.word(8))
	}
	return io.ErrClosedPipe
}
