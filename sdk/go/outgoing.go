//go:build wasip1

package wasmbay

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"
)

// RoundTripper calls other servers and plugins by the host. It is what http.DefaultTransport is in a plugin.
//
// The instance stands still while a call waits: goroutines that call do so one after another. All of a request's body
// is sent before its answer is read. The deadline of the request's context is the call's; the host's own are the most there is.
type RoundTripper struct{}

func init() {
	http.DefaultTransport = RoundTripper{}
}

// RoundTrip sends a request. Its error is an [*Error] when the host says why there is no answer.
func (RoundTripper) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Body != nil {
		defer request.Body.Close()
	}
	if err := request.Context().Err(); err != nil {
		return nil, err
	}
	message, err := outgoingRequest(request)
	if err != nil {
		return nil, err
	}
	ret := new(area)
	outgoingBody(message, unsafe.Pointer(ret))
	body := ret.word(4)
	some, options := optionsOf(request)
	send(message, some, options, unsafe.Pointer(ret))
	if ret.byte(0) != 0 {
		dropOutgoingBody(body)
		return nil, about(request, codeAt(ret, 8))
	}
	pending := ret.word(8)
	defer dropFutureResponse(pending)
	bodyWrite(body, unsafe.Pointer(ret))
	if err := write(request, &outgoing{body: body, stream: ret.word(4)}); err != nil {
		return nil, err
	}
	ready := responseSubscribe(pending)
	pollableBlock(ready)
	dropPollable(ready)
	responseGet(pending, unsafe.Pointer(ret))
	if ret.byte(16) != 0 {
		return nil, about(request, codeAt(ret, 24))
	}
	return response(request, ret.word(24)), nil
}

func outgoingRequest(request *http.Request) (uint32, error) {
	header := request.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if _, told := header["User-Agent"]; !told {
		header.Set("User-Agent", "Go-http-client/1.1")
	}
	if request.Body != nil && request.ContentLength > 0 {
		header.Set("Content-Length", strconv.FormatInt(request.ContentLength, 10))
	}
	fields, err := fieldsOf(header)
	if err != nil {
		return 0, err
	}
	message := newRequest(fields)
	which, other := slices.Index(methods[:], request.Method), ""
	if request.Method == "" {
		which = 0
	} else if which < 0 {
		which, other = len(methods), request.Method
	}
	schemes := []string{"http", "https"}
	scheme, otherScheme := slices.Index(schemes, request.URL.Scheme), ""
	if scheme < 0 {
		scheme, otherScheme = len(schemes), request.URL.Scheme
	}
	refused := setMethod(message, uint32(which), other) + setScheme(message, 1, uint32(scheme), otherScheme) +
		setAuthority(message, 1, request.URL.Host) + setPath(message, 1, request.URL.RequestURI())
	if refused != 0 {
		dropOutgoingRequest(message)
		return 0, fmt.Errorf("%s is no request that can be sent", call(request))
	}
	return message, nil
}

func optionsOf(request *http.Request) (some, options uint32) {
	deadline, limited := request.Context().Deadline()
	if !limited {
		return 0, 0
	}
	options = newOptions()
	nanoseconds := uint64(max(time.Until(deadline), time.Millisecond))
	setConnectTimeout(options, 1, nanoseconds)
	setFirstByteTimeout(options, 1, nanoseconds)
	setBetweenBytesTimeout(options, 1, nanoseconds)
	return 1, options
}

// Sends the request's body. A server may answer before it has read all of it.
func write(request *http.Request, body *outgoing) error {
	if request.Body != nil {
		if _, err := io.Copy(body, request.Body); err != nil {
			body.breakOff()
			if body.refused {
				return nil // Its answer says why.
			}
			return err
		}
	}
	if err := body.finish(); err != nil {
		return fmt.Errorf("%s: %w", call(request), err)
	}
	return nil
}

func response(request *http.Request, message uint32) *http.Response {
	status := int(responseStatus(message))
	header := headerOf(responseHeaders(message))
	length := int64(-1)
	if declared, err := strconv.ParseInt(header.Get("Content-Length"), 10, 64); err == nil {
		length = declared
	}
	ret := new(area)
	responseConsume(message, unsafe.Pointer(ret))
	return &http.Response{
		Status: fmt.Sprintf("%d %s", status, http.StatusText(status)), StatusCode: status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: header, ContentLength: length, Request: request,
		Body: openIncoming(ret, func() { dropIncomingResponse(message) }),
	}
}

func call(request *http.Request) string {
	return fmt.Sprintf("%s %s://%s%s", request.Method, request.URL.Scheme, request.URL.Host, request.URL.RequestURI())
}

// Why a request came to nothing.
func about(request *http.Request, code string) error {
	err := &Error{Code: code, Call: call(request)}
	if code == "HTTP-request-denied" {
		host := request.URL.Host
		err.Grant = fmt.Sprintf("http = [\"%s://%s\"]", request.URL.Scheme, host)
		if name, plugin := strings.CutSuffix(host, ".plugin.internal"); plugin {
			err.Grant = fmt.Sprintf("plugins = [%q]", name)
		}
	}
	return err
}
