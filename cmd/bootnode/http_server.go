package main

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/pprof"
	"net/netip"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/fastdisc/discv5/internal/netaddr"
	"github.com/fastdisc/discv5/internal/statuspage"
)

// Bounds of the HTTP server.
const (
	httpTimeout = 10 * time.Second // to read a request
	httpAnswer  = 20 * time.Second // to write a response
	// httpProfile is httpAnswer if the server serves profiles: a profile takes 30 s by default.
	httpProfile = 70 * time.Second
	httpIdle    = 2 * time.Minute
	httpHeaders = 16 << 10 // bytes
	httpConns   = 64       // open connections; a new one replaces an old one
	// httpLarge bounds the concurrent responses of /metrics, and those of /nodes, /buckets and
	// /topics together.
	httpLarge        = 4
	httpDrainTimeout = time.Second
)

// webServer is an HTTP server: that of --http or that of --metrics. The methods of a nil webServer
// do nothing.
type webServer struct {
	flag     string // http or metrics
	listener *connTable
	server   *http.Server
	closing  atomic.Bool
}

// listenHTTP opens the listener of a flag, and returns nil if addr is empty. The server answers
// after serve.
func listenHTTP(flag, addr string, count *counts) (*webServer, error) {
	if addr == "" {
		return nil, nil
	}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("--%s %s: %w", flag, addr, err)
	}
	return &webServer{flag: flag, listener: newConnTable(l, httpConns, &count.httpEvicted)}, nil
}

// serve starts to serve h to requests that hostGuard lets pass, in a goroutine. answer bounds the
// time to write a response.
func (w *webServer) serve(h http.Handler, vhosts []string, answer time.Duration, log *slog.Logger) {
	if w == nil {
		return
	}
	w.server = &http.Server{
		Handler:           hostGuard(vhosts, h),
		ConnState:         w.listener.setState,
		ReadHeaderTimeout: httpTimeout, ReadTimeout: httpTimeout, WriteTimeout: answer, IdleTimeout: httpIdle,
		MaxHeaderBytes: httpHeaders,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	log.Info("serving "+w.flag, "addr", w.listener.Addr().String())
	go func() {
		if err := w.server.Serve(w.listener); err != nil && !w.closing.Load() {
			log.Error("HTTP server", "flag", w.flag, "err", err)
		}
	}()
}

// metricsHandler returns the handler of --metrics: /metrics, and /healthz for the probes of
// machines that must not see the pages.
func (p pages) metricsHandler() http.Handler {
	registry := newRegistry()
	p.register(registry)
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promHandler(registry))
	mux.HandleFunc("GET /healthz", p.health)
	return mux
}

// newRegistry returns a registry with the metrics of the process.
func newRegistry() *prometheus.Registry {
	registry := prometheus.NewRegistry()
	registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return registry
}

// register adds the metrics of the node.
func (p pages) register(registry prometheus.Registerer) {
	registry.MustRegister(newCollector(p.node), newAddressCollector(p.node), newTopicCollector(p.node))
	registry.MustRegister(p.count.collectors(p.access.bans.Load)...)
	registry.MustRegister(streamCollectors(p.page)...)
	if p.fleet != nil {
		registry.MustRegister(newFleetCollector(p.fleet))
	}
	if p.network != nil {
		registry.MustRegister(newForkCollector(p.network, p.node))
	}
}

// promHandler returns the handler of /metrics.
func promHandler(registry *prometheus.Registry) http.Handler {
	return buffered(promhttp.HandlerFor(registry, promhttp.HandlerOpts{MaxRequestsInFlight: httpLarge, Timeout: httpTimeout}))
}

// handler returns the handler of --http: all pages but /metrics.
func (p pages) handler() http.Handler {
	mux := http.NewServeMux()
	if p.page != nil {
		p.page.Register(mux)
	}
	mux.HandleFunc("GET /healthz", p.health)
	mux.HandleFunc("GET /eth/v1/node/identity", statuspage.WithoutParameters(p.identity))
	mux.HandleFunc("GET /address", p.address)
	mux.HandleFunc("GET /forks", statuspage.WithoutParameters(p.forks))
	large := make(chan struct{}, httpLarge)
	mux.Handle("GET /nodes", bounded(large, p.nodes))
	mux.Handle("GET /buckets", bounded(large, statuspage.WithoutParameters(p.buckets)))
	mux.Handle("GET /topics", bounded(large, p.topics))
	if p.pprof {
		// The profiles of package runtime. The command line is missing: it may hold the private
		// key.
		mux.HandleFunc("GET /debug/pprof/{$}", local(pprof.Index))
		mux.HandleFunc("GET /debug/pprof/{profile}", local(func(rw http.ResponseWriter, r *http.Request) {
			pprof.Handler(r.PathValue("profile")).ServeHTTP(rw, r)
		}))
		mux.HandleFunc("GET /debug/pprof/profile", local(pprof.Profile))
		mux.HandleFunc("GET /debug/pprof/trace", local(pprof.Trace))
	}
	return mux
}

// local refuses requests whose Host header names another machine. --http-vhosts does not matter.
func local(h http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		if !loopbackHost(r.Host) {
			http.Error(rw, "profiles are for localhost and loopback addresses only", http.StatusForbidden)
			return
		}
		h(rw, r)
	}
}

// bounded refuses a request when all slots are in use.
func bounded(slots chan struct{}, h http.HandlerFunc) http.HandlerFunc {
	return func(rw http.ResponseWriter, r *http.Request) {
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			h(rw, r)
		default:
			rw.Header().Set("Retry-After", "1")
			http.Error(rw, "too many concurrent requests", http.StatusServiceUnavailable)
		}
	}
}

// buffered sends the response of h after h has returned, because h bounds its concurrent requests
// and a slow reader must not hold one.
func buffered(h http.Handler) http.Handler {
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b := bufferedResponse{header: rw.Header(), code: http.StatusOK}
		h.ServeHTTP(&b, r)
		rw.WriteHeader(b.code)
		rw.Write(b.body.Bytes()) // an error is the client's problem
	})
}

// bufferedResponse is an http.ResponseWriter that keeps the response in memory.
type bufferedResponse struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (b *bufferedResponse) Header() http.Header         { return b.header }
func (b *bufferedResponse) WriteHeader(code int)        { b.code = code }
func (b *bufferedResponse) Write(p []byte) (int, error) { return b.body.Write(p) }

// drain waits up to httpDrainTimeout for open requests, and closes the server.
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

// close closes the listener.
func (w *webServer) close() {
	if w != nil {
		w.closing.Store(true)
		w.listener.Close()
	}
}

// anyHost in --http-vhosts disables the check of host names.
const anyHost = "*"

// hostGuard refuses requests that arrive at a loopback address but name another host. Otherwise a
// page in a browser on this machine could read the responses, by a name of its own that resolves to
// a loopback address (DNS rebinding). hostGuard accepts localhost, loopback addresses, and names.
func hostGuard(names []string, next http.Handler) http.Handler {
	if slices.Contains(names, anyHost) {
		return next
	}
	return http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		if arrivedAtLoopback(r) && !loopbackHost(r.Host) && !slices.ContainsFunc(names, sameHost(hostOf(r.Host))) {
			http.Error(rw, "this address is for localhost and the names of --http-vhosts only", http.StatusForbidden)
			return
		}
		next.ServeHTTP(rw, r)
	})
}

func sameHost(host string) func(string) bool {
	return func(name string) bool { return strings.EqualFold(name, host) }
}

// arrivedAtLoopback reports whether the request arrived at a loopback address. A listener on all
// addresses has loopback addresses too.
func arrivedAtLoopback(r *http.Request) bool {
	a, ok := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	return ok && netaddr.ClassOf(a.AddrPort().Addr()) == netaddr.Loopback
}

// hostOf returns a Host header without its port.
func hostOf(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
}

// loopbackHost reports whether a Host header names localhost or a loopback address.
func loopbackHost(host string) bool {
	name := hostOf(host)
	if strings.EqualFold(strings.TrimSuffix(name, "."), "localhost") {
		return true
	}
	a, err := netip.ParseAddr(name)
	return err == nil && netaddr.ClassOf(a) == netaddr.Loopback
}
