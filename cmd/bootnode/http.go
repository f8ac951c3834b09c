package main

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fastdisc/discv5"
)

const (
	httpTimeout      = 10 * time.Second // for a request and for its answer
	httpIdle         = 2 * time.Minute
	httpHeaders      = 16 << 10 // bytes
	httpScrapes      = 4        // at a time
	httpDrainTimeout = time.Second
)

// webServer serves /metrics and /healthz. A nil one does nothing.
type webServer struct {
	listener net.Listener
	server   *http.Server
	closing  atomic.Bool
}

// listenHTTP takes the address, without serving yet. No address gives a nil server.
func listenHTTP(addr string) (*webServer, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--http %s: %w", addr, err)
	}
	return &webServer{listener: l}, nil
}

// serve begins to serve.
func (w *webServer) serve(node *discv5.Node, log *slog.Logger) {
	if w == nil {
		return
	}
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newCollector(node))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: httpScrapes, Timeout: httpTimeout}))
	mux.HandleFunc("GET /healthz", func(rw http.ResponseWriter, _ *http.Request) { w.health(rw, node) })
	w.server = &http.Server{
		Handler:           mux,
		ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout, WriteTimeout: 2 * httpTimeout, IdleTimeout: httpIdle,
		MaxHeaderBytes: httpHeaders,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving HTTP", "addr", w.listener.Addr())
	go func() {
		if err := w.server.Serve(w.listener); err != nil && !w.closing.Load() {
			log.Error("HTTP server", "err", err)
		}
	}()
}

// health answers 200 as long as the node receives on all its sockets, else 503 with the reason.
func (w *webServer) health(rw http.ResponseWriter, node *discv5.Node) {
	reason := ""
	select {
	case <-node.Done():
		reason = "closing"
	default:
		if err := node.Err(); err != nil {
			reason = err.Error()
		}
	}
	rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
	rw.Header().Set("Cache-Control", "no-store")
	if reason != "" {
		rw.WriteHeader(http.StatusServiceUnavailable)
		fmt.Fprintln(rw, reason)
		return
	}
	fmt.Fprintln(rw, "ok")
}

// drain lets requests under way end, but not for long.
func (w *webServer) drain() {
	if w == nil || w.server == nil {
		return
	}
	w.closing.Store(true)
	ctx, cancel := context.WithTimeout(context.Background(), httpDrainTimeout)
	defer cancel()
	if w.server.Shutdown(ctx) != nil {
		w.server.Close()
	}
}

// close lets go of the address, also if nothing was served.
func (w *webServer) close() {
	if w != nil {
		w.closing.Store(true)
		w.listener.Close()
	}
}
