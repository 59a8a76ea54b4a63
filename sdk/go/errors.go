//go:build wasip1

package wasmbay

import (
	"fmt"
	"strings"
)

// The names of wasi:http's error codes, in their order.
var codes = [...]string{
	"DNS-timeout", "DNS-error", "destination-not-found", "destination-unavailable", "destination-IP-prohibited",
	"destination-IP-unroutable", "connection-refused", "connection-terminated", "connection-timeout",
	"connection-read-timeout", "connection-write-timeout", "connection-limit-reached", "TLS-protocol-error",
	"TLS-certificate-error", "TLS-alert-received", "HTTP-request-denied", "HTTP-request-length-required",
	"HTTP-request-body-size", "HTTP-request-method-invalid", "HTTP-request-URI-invalid", "HTTP-request-URI-too-long",
	"HTTP-request-header-section-size", "HTTP-request-header-size", "HTTP-request-trailer-section-size",
	"HTTP-request-trailer-size", "HTTP-response-incomplete", "HTTP-response-header-section-size",
	"HTTP-response-header-size", "HTTP-response-body-size", "HTTP-response-trailer-section-size",
	"HTTP-response-trailer-size", "HTTP-response-transfer-coding", "HTTP-response-content-coding",
	"HTTP-response-timeout", "HTTP-upgrade-failed", "HTTP-protocol-error", "loop-detected", "configuration-error",
	"internal-error",
}

// Error is why a call came to nothing.
type Error struct {
	// Code is wasi:http's: `connection-refused`, `HTTP-request-denied` and so on.
	Code string
	// Call is what was asked for, if that is known: `GET https://example.com/`.
	Call string
	// Grant is the line that the manifest lacks, if that is why.
	Grant string
}

func (e *Error) Error() string {
	text := strings.TrimPrefix(e.Call+": ", ": ") + e.Code
	if e.Grant != "" {
		text += fmt.Sprintf(": the plugin is not granted this call; under [grants] of plugin.toml it takes %s, and that the operator allows it", e.Grant)
	}
	return text
}

// Timeout says whether a deadline has passed: net/http and net.Error ask for it.
func (e *Error) Timeout() bool {
	return strings.HasSuffix(e.Code, "-timeout")
}

// Temporary is whether the same call may succeed a little later.
func (e *Error) Temporary() bool {
	return e.Timeout() || e.Code == "connection-limit-reached"
}

func codeAt(ret *area, offset uintptr) string {
	return codes[int(ret.byte(offset))%len(codes)]
}
