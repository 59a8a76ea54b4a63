//go:build wasip1

package wasmbay

import "unsafe"

// Functions of WASI 0.2 by their canonical names. Handles are i32, results of more than one value go to `ret`.

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.method
func requestMethod(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.path-with-query
func requestPath(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.authority
func requestAuthority(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.headers
func requestHeaders(self uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-request.consume
func requestConsume(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-request
func dropRequest(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]fields.entries
func fieldsEntries(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [static]fields.from-list
func fieldsFromList(entries unsafe.Pointer, length uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]fields
func dropFields(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-body.stream
func incomingStream(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [static]incoming-body.finish
func incomingFinish(self uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-body
func dropIncomingBody(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]future-trailers
func dropFutureTrailers(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [constructor]outgoing-response
func newResponse(headers uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-response.set-status-code
func setStatus(self, status uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-response.body
func responseBody(self uint32, ret unsafe.Pointer)

// The error's members are zero: a response is all that is ever set.
//
//go:wasmimport wasi:http/types@0.2.0 [static]response-outparam.set
func setResponse(param, failed, response, a uint32, b uint64, c, d, e, f uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-body.write
func bodyWrite(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [static]outgoing-body.finish
func bodyFinish(self, some, trailers uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]outgoing-body
func dropOutgoingBody(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [constructor]outgoing-request
func newRequest(headers uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-method
func setMethod(self, which uint32, other string) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-scheme
func setScheme(self, some, which uint32, other string) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-authority
func setAuthority(self, some uint32, authority string) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.set-path-with-query
func setPath(self, some uint32, path string) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]outgoing-request.body
func outgoingBody(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]outgoing-request
func dropOutgoingRequest(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [constructor]request-options
func newOptions() uint32

//go:wasmimport wasi:http/types@0.2.0 [method]request-options.set-connect-timeout
func setConnectTimeout(self, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]request-options.set-first-byte-timeout
func setFirstByteTimeout(self, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]request-options.set-between-bytes-timeout
func setBetweenBytesTimeout(self, some uint32, nanoseconds uint64) uint32

//go:wasmimport wasi:http/outgoing-handler@0.2.0 handle
func send(request, some, options uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [method]future-incoming-response.subscribe
func responseSubscribe(self uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]future-incoming-response.get
func responseGet(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]future-incoming-response
func dropFutureResponse(self uint32)

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-response.status
func responseStatus(self uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-response.headers
func responseHeaders(self uint32) uint32

//go:wasmimport wasi:http/types@0.2.0 [method]incoming-response.consume
func responseConsume(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:http/types@0.2.0 [resource-drop]incoming-response
func dropIncomingResponse(self uint32)

//go:wasmimport wasi:http/types@0.2.0 http-error-code
func httpErrorCode(err uint32, ret unsafe.Pointer)

//go:wasmimport wasi:io/error@0.2.0 [resource-drop]error
func dropError(self uint32)

//go:wasmimport wasi:io/streams@0.2.0 [method]input-stream.blocking-read
func blockingRead(self uint32, most uint64, ret unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]input-stream
func dropInputStream(self uint32)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.check-write
func checkWrite(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.write
func streamWrite(self uint32, at unsafe.Pointer, length uint32, ret unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.flush
func streamFlush(self uint32, ret unsafe.Pointer)

//go:wasmimport wasi:io/streams@0.2.0 [method]output-stream.subscribe
func outputSubscribe(self uint32) uint32

//go:wasmimport wasi:io/streams@0.2.0 [resource-drop]output-stream
func dropOutputStream(self uint32)

//go:wasmimport wasi:io/poll@0.2.0 [method]pollable.block
func pollableBlock(self uint32)

//go:wasmimport wasi:io/poll@0.2.0 [resource-drop]pollable
func dropPollable(self uint32)
