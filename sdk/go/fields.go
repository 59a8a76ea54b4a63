//go:build wasip1

package wasmbay

import (
	"fmt"
	"net/http"
	"runtime"
	"unsafe"
)

// Headers of a connection, which is the host's, not of a message.
var ofTheConnection = map[string]bool{
	"Connection": true, "Host": true, "Http2-Settings": true, "Keep-Alive": true, "Proxy-Connection": true, "Te": true,
	"Transfer-Encoding": true, "Upgrade": true,
}

// One name and value, as the host reads them: where each is, and how long.
type entry [4]uint32

// The headers as the host's fields, which are the caller's to give away.
func fieldsOf(header http.Header) (uint32, error) {
	var text []byte
	var entries []entry
	for name, values := range header {
		if ofTheConnection[name] {
			continue
		}
		for _, value := range values {
			entries = append(entries, entry{uint32(len(text)), uint32(len(name)), uint32(len(text) + len(name)), uint32(len(value))})
			text = append(append(text, name...), value...)
		}
	}
	var from unsafe.Pointer
	if len(entries) > 0 {
		base := uint32(uintptr(unsafe.Pointer(unsafe.SliceData(text))))
		for i := range entries {
			entries[i][0] += base
			entries[i][2] += base
		}
		from = unsafe.Pointer(&entries[0])
	}
	ret := new(area)
	fieldsFromList(from, uint32(len(entries)), unsafe.Pointer(ret))
	runtime.KeepAlive(text)
	if ret.byte(0) != 0 {
		return 0, fmt.Errorf("a header cannot be sent: %s", [...]string{"its syntax is invalid", "it is the host's", "the headers are sent"}[ret.byte(4)%3])
	}
	return ret.word(4), nil
}

// Reads the host's fields and gives them back.
func headerOf(fields uint32) http.Header {
	defer dropFields(fields)
	ret := new(area)
	fieldsEntries(fields, unsafe.Pointer(ret))
	length := ret.word(4)
	list := take(ret.word(0), length*16)
	header := make(http.Header, length)
	for i := range length {
		at := *(*entry)(unsafe.Pointer(&list[i*16]))
		header.Add(string(take(at[0], at[1])), string(take(at[2], at[3])))
	}
	return header
}
