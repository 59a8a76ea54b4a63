// status: asks other plugins of the tenant whether they are well, and shows what they said.
package main

import (
	"encoding/json"
	"fmt"
	"html"
	"io"
	"net/http"
	"strings"
	"time"

	"wasmbay"
)

// Who is asked: plugins, and a path that each answers when it is well. plugin.toml grants the calls.
var asked = []struct{ name, path string }{
	{"hello", "/hello"},
	{"primes", "/primes?n=1000"},
}

// How long one of them may take.
var client = http.Client{Timeout: 2 * time.Second}

type health struct {
	Plugin       string `json:"plugin"`
	Well         bool   `json:"well"`
	Says         string `json:"says"`
	Milliseconds int64  `json:"milliseconds"`
}

func main() {}

func init() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", page)
	mux.HandleFunc("GET /status.json", list)
	mux.HandleFunc("GET /status/{plugin}", one)
	wasmbay.Handle(mux)
}

// ask calls one plugin: an error of the call is what it says.
func ask(name, path string) health {
	begun := time.Now()
	answer, err := client.Get("http://" + name + ".plugin.internal" + path)
	if err != nil {
		return health{name, false, err.Error(), time.Since(begun).Milliseconds()}
	}
	defer answer.Body.Close()
	says, err := io.ReadAll(io.LimitReader(answer.Body, 200))
	well := err == nil && answer.StatusCode == http.StatusOK
	return health{name, well, strings.TrimSpace(string(says)), time.Since(begun).Milliseconds()}
}

func all() []health {
	var states []health
	for _, plugin := range asked {
		states = append(states, ask(plugin.name, plugin.path))
	}
	return states
}

// GET /status.json
func list(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all())
}

// GET /status/{plugin}
func one(w http.ResponseWriter, r *http.Request) {
	for _, plugin := range asked {
		if plugin.name == r.PathValue("plugin") {
			state := ask(plugin.name, plugin.path)
			if !state.Well {
				w.WriteHeader(http.StatusBadGateway)
			}
			io.WriteString(w, state.Says+"\n")
			return
		}
	}
	http.NotFound(w, r)
}

// GET /status
func page(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	io.WriteString(w, "<!doctype html>\n<title>Status</title>\n<table>\n")
	for _, state := range all() {
		well := "ill"
		if state.Well {
			well = "well"
		}
		fmt.Fprintf(w, "<tr><td>%s<td>%s<td>%d ms<td>%s\n", state.Plugin, well, state.Milliseconds, html.EscapeString(state.Says))
	}
	io.WriteString(w, "</table>\n")
}
