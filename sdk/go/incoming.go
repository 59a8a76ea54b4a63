//go:build wasip1

package wasmbay

import (
	"bufio"
	"log"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"unsafe"
)

// The methods that have a number of their own, in their order.
var methods = [...]string{"GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

//go:wasmexport wasi:http/incoming-handler@0.2.0#handle
func handle(message, param uint32) {
	request := read(message)
	answer := &answer{param: param, header: http.Header{}, head: request.Method == http.MethodHead}
	answer.buffer = bufio.NewWriterSize(sending{answer}, 2048)
	handler.ServeHTTP(answer, request)
	answer.finish()
	request.Body.Close()
}

func read(message uint32) *http.Request {
	ret := new(area)
	requestMethod(message, unsafe.Pointer(ret))
	method := ""
	if which := int(ret.byte(0)); which < len(methods) {
		method = methods[which]
	} else {
		method = ret.text(4)
	}
	requestPath(message, unsafe.Pointer(ret))
	target := ret.someText(0)
	requestAuthority(message, unsafe.Pointer(ret))
	host := ret.someText(0)
	header := headerOf(requestHeaders(message))
	if host == "" {
		host = header.Get("Host")
	}
	header.Del("Host")
	length := int64(-1)
	if declared, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		length = declared
	}
	requestConsume(message, unsafe.Pointer(ret))
	body := openIncoming(ret, func() { dropRequest(message) })
	where, err := url.ParseRequestURI(target)
	if err != nil {
		where = &url.URL{Path: target}
	}
	client := strings.TrimSpace(strings.Split(header.Get("X-Forwarded-For"), ",")[0])
	return &http.Request{
		Method: method, URL: where, RequestURI: target, Host: host, Header: header, Body: body, ContentLength: length,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, RemoteAddr: client,
	}
}

// An answer on its way: what net/http's server does, as far as the host does not.
type answer struct {
	param  uint32
	header http.Header
	status int
	// Holds back the first bytes: a short answer says how long it is.
	buffer *bufio.Writer
	body   *outgoing
	// Whether the request was HEAD, whose answer has no body.
	head bool
}

func (a *answer) Header() http.Header {
	return a.header
}

func (a *answer) WriteHeader(status int) {
	// Those below 200 are of the connection, but for one that the host does not speak.
	if a.status == 0 && status >= 200 {
		a.status = status
	}
}

func (a *answer) Write(data []byte) (int, error) {
	a.WriteHeader(http.StatusOK)
	if a.status == http.StatusNoContent || a.status == http.StatusNotModified {
		return 0, http.ErrBodyNotAllowed
	}
	if a.header.Get("Content-Type") == "" && len(data) > 0 && a.header.Get("Content-Encoding") == "" && a.body == nil {
		a.header.Set("Content-Type", http.DetectContentType(data))
	}
	return a.buffer.Write(data)
}

// Flush sends what is held back.
func (a *answer) Flush() {
	a.WriteHeader(http.StatusOK)
	a.buffer.Flush()
	if a.begin() == nil {
		a.body.flush()
	}
}

// Sends the head, once.
func (a *answer) begin() error {
	if a.body != nil {
		return nil
	}
	fields, err := fieldsOf(a.header)
	if err != nil {
		log.Panicf("wasmbay: %v", err)
	}
	response := newResponse(fields)
	setStatus(response, uint32(a.status))
	ret := new(area)
	responseBody(response, unsafe.Pointer(ret))
	body := ret.word(4)
	setResponse(a.param, 0, response, 0, 0, 0, 0, 0, 0)
	bodyWrite(body, unsafe.Pointer(ret))
	a.body = &outgoing{body: body, stream: ret.word(4)}
	return nil
}

func (a *answer) finish() {
	a.WriteHeader(http.StatusOK)
	if allowed := a.status != http.StatusNoContent && a.status != http.StatusNotModified; a.body == nil && allowed {
		if a.header.Get("Content-Length") == "" && !(a.head && a.buffer.Buffered() == 0) {
			a.header.Set("Content-Length", strconv.Itoa(a.buffer.Buffered()))
		}
	}
	a.buffer.Flush()
	a.begin()
	if err := a.body.finish(); err != nil {
		log.Printf("wasmbay: the answer was not finished: %v", err)
	}
}

// Where the buffer goes.
type sending struct{ *answer }

func (s sending) Write(data []byte) (int, error) {
	if err := s.begin(); err != nil {
		return 0, err
	}
	if s.head {
		return len(data), nil
	}
	return s.body.Write(data)
}
