// A plugin of the tests: calls others, as a component of wasi:http.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"wasmbay"
)

func main() {}

func init() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /caller/call", call)
	mux.HandleFunc("POST /caller/relay", relay)
	mux.HandleFunc("GET /caller/memory", memory)
	mux.HandleFunc("GET /caller/stream", stream)
	mux.HandleFunc("POST /caller/echo", echo)
	mux.HandleFunc("GET /caller/fail", fail)
	wasmbay.Handle(mux)
}

// GET /caller/call?url=…&ms=…
func call(w http.ResponseWriter, r *http.Request) {
	ctx := context.Background()
	if ms, err := strconv.Atoi(r.URL.Query().Get("ms")); err == nil {
		limited, cancel := context.WithTimeout(ctx, time.Duration(ms)*time.Millisecond)
		defer cancel()
		ctx = limited
	}
	request, _ := http.NewRequestWithContext(ctx, "GET", r.URL.Query().Get("url"), nil)
	request.Header.Set("X-From", "go")
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		var why *wasmbay.Error
		errors.As(err, &why)
		http.Error(w, fmt.Sprintf("%v\n%v %q", err, why.Timeout(), why.Code), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.WriteHeader(answer.StatusCode)
	if _, err := io.Copy(w, answer.Body); err != nil {
		fmt.Fprintf(w, "\n%v", err)
	}
}

// POST /caller/relay?url=…
func relay(w http.ResponseWriter, r *http.Request) {
	answer, err := http.Post(r.URL.Query().Get("url"), r.Header.Get("Content-Type"), r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer answer.Body.Close()
	w.Header().Set("Content-Type", answer.Header.Get("Content-Type"))
	io.Copy(w, answer.Body)
}

// GET /caller/memory?mib=…&url=…: fills memory between two calls, and looks whether it kept what it was given.
func memory(w http.ResponseWriter, r *http.Request) {
	mib, _ := strconv.Atoi(r.URL.Query().Get("mib"))
	var blocks [][]byte
	for block := range mib {
		bytes := make([]byte, 1<<20)
		for at := range bytes {
			bytes[at] = byte(block + at)
		}
		blocks = append(blocks, bytes)
		if block%8 == 0 {
			answer, err := http.Get(r.URL.Query().Get("url"))
			if err != nil {
				panic(err)
			}
			io.Copy(io.Discard, answer.Body)
			answer.Body.Close()
		}
	}
	for block, bytes := range blocks {
		for at := range bytes {
			if bytes[at] != byte(block+at) {
				panic(fmt.Sprintf("block %d was written over at %d", block, at))
			}
		}
	}
	fmt.Fprintf(w, "%d MiB are whole", len(blocks))
}

// GET /caller/stream: two pieces with a wait between them
func stream(w http.ResponseWriter, r *http.Request) {
	for piece := range 3 {
		fmt.Fprintf(w, "piece %d\n", piece)
		w.(http.Flusher).Flush()
		time.Sleep(time.Millisecond)
	}
}

// POST /caller/echo
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	io.Copy(w, r.Body)
}

// GET /caller/fail
func fail(http.ResponseWriter, *http.Request) {
	panic("nobody catches this")
}
