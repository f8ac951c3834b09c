package statuspage

import (
	"encoding/json"
	"io"
	"net/http"
)

// policy allows nothing but files of this server: no script or style inside the page, no other
// server, no frame.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// setHeaders sets the headers that all responses have.
func setHeaders(rw http.ResponseWriter) {
	h := rw.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// Register adds the page to mux:
//
//	/         the page
//	/live     its changes, as server-sent events
//	/status   its figures, as JSON
//	/history  the points of its charts, as JSON
//	/enr      the node's record, as text
//	/enode    its enode URL, as text
//	/assets/  style sheet, script and icon
func (p *Page) Register(mux *http.ServeMux) {
	mux.HandleFunc("GET /{$}", p.index)
	mux.HandleFunc("GET /live", p.live)
	mux.HandleFunc("GET /status", WithoutParameters(func(rw http.ResponseWriter, _ *http.Request) {
		s, err := p.snapshot(p.cfg.Now())
		writeJSON(rw, s, err)
	}))
	mux.HandleFunc("GET /history", WithoutParameters(func(rw http.ResponseWriter, _ *http.Request) { writeJSON(rw, p.history(), nil) }))
	mux.HandleFunc("GET /enr", func(rw http.ResponseWriter, _ *http.Request) { writeText(rw, p.node.LocalRecord().String()) })
	mux.HandleFunc("GET /enode", func(rw http.ResponseWriter, _ *http.Request) {
		e, ok := p.node.LocalRecord().Enode()
		if !ok {
			setHeaders(rw)
			http.Error(rw, "the record names no address", http.StatusNotFound)
			return
		}
		writeText(rw, e.String())
	})
	for _, a := range assets {
		mux.HandleFunc("GET "+a.path, func(rw http.ResponseWriter, _ *http.Request) {
			setHeaders(rw)
			rw.Header().Set("Content-Type", a.kind)
			rw.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
			_, _ = rw.Write(a.content) // an error means that the client has gone
		})
	}
}

// WithoutParameters returns a handler that refuses requests with parameters and passes others to h.
func WithoutParameters(h http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if r.URL.RawQuery != "" {
			setHeaders(rw)
			http.Error(rw, r.URL.Path+" takes no parameters", http.StatusBadRequest)
			return
		}
		h(rw, r)
	}
}

// index serves the page.
func (p *Page) index(rw http.ResponseWriter, _ *http.Request) {
	setHeaders(rw)
	b, err := p.html(p.cfg.Now())
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = rw.Write(b) // an error means that the client has gone
}

func writeText(rw http.ResponseWriter, s string) {
	setHeaders(rw)
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(rw, s+"\n") // an error means that the client has gone
}

func writeJSON(rw http.ResponseWriter, v any, err error) {
	setHeaders(rw)
	if err != nil {
		http.Error(rw, err.Error(), http.StatusInternalServerError)
		return
	}
	rw.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(rw).Encode(v) // an error means that the client has gone
}
