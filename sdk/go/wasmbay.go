// Package wasmbay makes any net/http handler a plugin that is a component of wasi:http 0.2, and lets it call out.
//
// A plugin is built with -buildmode=c-shared; its init function says who answers, and main is empty:
//
//	func main() {}
//
//	func init() {
//		http.HandleFunc("GET /greet/{who}", greet)
//		wasmbay.Handle(http.DefaultServeMux)
//	}
//
// http.Get and every http.Client without a Transport of its own call by the host, which asks the plugin's grants:
// http.DefaultTransport is a [RoundTripper]. A plugin that does not call out may as well be a CGI command, through net/http/cgi.
package wasmbay

import "net/http"

// What answers the plugin's requests.
var handler http.Handler = http.NotFoundHandler()

// Handle says who answers the plugin's requests. It is called once, by an init function.
//
// A panic that the handler does not recover from ends the instance: the request fails as a trap, and the log has the
// goroutine's traceback.
func Handle(h http.Handler) {
	handler = h
}
