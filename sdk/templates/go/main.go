// {{name}}: any net/http handler, through net/http/cgi. plugin.toml says which requests come here.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/cgi"
	"strconv"
	"strings"
)

func main() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{{name}}/hello/{who}", hello)
	mux.HandleFunc("POST /{{name}}/sum", sum)
	mux.HandleFunc("POST /{{name}}/echo", echo)
	mux.HandleFunc("GET /{{name}}/fail", fail)
	if err := cgi.Serve(mux); err != nil {
		log.Fatal(err)
	}
}

// GET /{{name}}/hello/{who}?times=N
func hello(w http.ResponseWriter, r *http.Request) {
	times, err := strconv.Atoi(r.URL.Query().Get("times"))
	if err != nil {
		times = 1
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	io.WriteString(w, strings.Repeat(fmt.Sprintf("hello %s\n", r.PathValue("who")), times))
}

// POST /{{name}}/sum with a JSON list of numbers
func sum(w http.ResponseWriter, r *http.Request) {
	var numbers []float64
	if err := json.NewDecoder(r.Body).Decode(&numbers); err != nil {
		problem(w, http.StatusBadRequest, err.Error())
		return
	}
	total := 0.0
	for _, number := range numbers {
		total += number
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(map[string]float64{"sum": total})
}

// POST /{{name}}/echo: piece by piece, so that the body's size does not matter
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", r.Header.Get("Content-Type"))
	io.Copy(w, r.Body)
}

// GET /{{name}}/fail: a fault of the plugin; its log says where
func fail(http.ResponseWriter, *http.Request) {
	panic("nobody catches this")
}

// An error in the form of RFC 9457.
func problem(w http.ResponseWriter, status int, detail string) {
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"title": http.StatusText(status), "status": status, "detail": detail})
}
