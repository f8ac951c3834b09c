package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/version"
)

const (
	// leaseSaveTimeout bounds the time to save a record in the fleet.
	leaseSaveTimeout = 3 * time.Second
	// leaseReleaseTimeout bounds the time to say that a standby may take over.
	leaseReleaseTimeout = 2 * time.Second
)

// errShared: the record could not be saved in the fleet, so nobody may see it.
var errShared = errors.New("the fleet did not take the record")

// serveIdentity runs the node while this bootnode is the active one of its identity, and stands by
// otherwise, until ctx ends.
func (d *daemon) serveIdentity(ctx context.Context) error {
	manager := newServiceManager(d.log)
	manager.ready()
	manager.standby = true
	defer func() {
		manager.standby = false
		manager.stopping()
	}()
	for {
		tenure, err := d.standBy(ctx, manager)
		if err != nil {
			if ctx.Err() != nil {
				return nil
			}
			if errors.Is(err, fleet.ErrIdentity) {
				return cli.Usage(fmt.Errorf("%s %s: %w", d.o.from("fleet-identity"), d.o.fleet.identity, err))
			}
			return err
		}
		err = d.serveTenure(ctx, tenure, manager)
		if ctx.Err() != nil || err != nil && !errors.Is(err, errShared) {
			return err
		}
		if err != nil {
			d.log.Warn("this bootnode stands by once more", "err", err)
		}
	}
}

// serveTenure runs the node until ctx or the tenure ends.
func (d *daemon) serveTenure(ctx context.Context, tenure *fleet.Tenure, manager *serviceManager) error {
	active := &daemon{program: d.program, o: d.o, fleet: d.fleet, tenure: tenure, manager: manager}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-tenure.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	err := active.serveNode(ctx)
	// The node is closed, so it cannot answer any more.
	ctx, cancel = context.WithTimeout(context.Background(), leaseReleaseTimeout)
	defer cancel()
	tenure.Release(ctx)
	if errors.Is(err, context.Canceled) {
		err = nil
	}
	return err
}

// standBy waits until this bootnode is the active one. Meanwhile it looks for nodes to begin with,
// and serves what there is to serve without a node.
func (d *daemon) standBy(ctx context.Context, manager *serviceManager) (*fleet.Tenure, error) {
	f := d.fleet
	count := newCounts(time.Now())
	for _, server := range []struct {
		flag, addr string
		handler    http.Handler
	}{{"http", d.o.http, f.standbyPages()}, {"metrics", d.o.metrics, f.standbyMetrics()}} {
		web, err := listenHTTP(server.flag, server.addr, count)
		if err != nil {
			return nil, err
		}
		defer web.close()
		defer web.drain()
		web.serve(server.handler, d.o.vhosts, httpAnswer, d.log)
	}
	d.log.Info("standing by", "identity", d.o.fleet.identity, "member", d.o.fleet.name, "version", version.Line("bootnode"))
	ctx, cancel := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		every := time.Second
		if w := manager.watchdog; w > 0 {
			every = min(every, w/3)
		}
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			s := f.lease.State()
			manager.waiting(f.standbyStatus())
			if s.ID != (enr.ID{}) {
				f.prepare(s.ID)
			}
			select {
			case <-ctx.Done():
				return
			case <-d.hup:
				d.reloadStandby(manager)
			case <-tick.C:
			}
		}
	}()
	tenure, err := f.lease.Acquire(ctx)
	cancel()
	<-watched
	return tenure, err
}

// reloadStandby reads the settings once more while no node runs. The node begins with those that
// can change without a restart.
func (d *daemon) reloadStandby(manager *serviceManager) {
	manager.reloading()
	o, err := load(d.args, d.system.environ)
	if err == nil {
		err = d.fleet.reload()
	}
	manager.reloaded(err)
	if err != nil {
		d.log.Error("settings were not reloaded; the old ones stay in force", "err", cli.OneLine(err))
		return
	}
	d.level.Set(o.level)
	args := []any{"bootnodes", len(o.sources), "bans", len(o.bans), "netrestrict", len(o.restrict), "log_level", o.level}
	if late := restartNeeded(d.o, o); len(late) > 0 {
		args = append(args, "after_restart", strings.Join(late, ","))
	}
	d.o.sources, d.o.bans, d.o.restrict = o.sources, o.bans, o.restrict
	d.log.Info("settings were reloaded", args...)
}

// prepare has the member look for candidates of a node that does not run yet.
func (f *fleetMember) prepare(id enr.ID) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.prepared != id {
		f.prepared = id
		f.member.SetNode(&fleet.Node{ID: id})
	}
}

// privateKey returns the key of the node.
func (d *daemon) privateKey() (key *enr.PrivateKey, warning string, err error) {
	if d.tenure != nil {
		return d.tenure.Key, "", nil
	}
	return d.storage.key(d.o)
}

// takeOver makes the node continue the identity that it shares.
func (d *daemon) takeOver(cfg *discv5.Config) {
	if d.tenure == nil {
		return
	}
	cfg.MaySend = d.tenure.Valid
	r := d.tenure.Record
	if r == nil || cfg.Previous != nil && cfg.Previous.Seq() >= r.Seq() {
		return
	}
	if d.tenure.RecordBy != d.o.fleet.name {
		// The endpoints are those of another machine.
		b := r.Edit().SetSeq(r.Seq())
		for _, key := range []string{"ip", "udp", "tcp", "ip6", "udp6", "tcp6"} {
			b.Delete(key)
		}
		bare, err := b.Sign(d.tenure.Key)
		if err != nil {
			d.log.Warn("cannot take the endpoints out of the record of the fleet", "err", err)
		} else {
			r = bare
		}
		cfg.PreviousAddresses = nil
	}
	cfg.Previous = r
}

// saveRecord implements Config.SaveRecord.
func (d *daemon) saveRecord(r *enr.Record) error {
	if err := d.saveShared(r); err != nil {
		return err
	}
	return d.storage.saveRecord(r)
}

// saveShared makes sure that no other bootnode of the identity uses a lower sequence number from
// now on.
func (d *daemon) saveShared(r *enr.Record) error {
	if d.tenure == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), leaseSaveTimeout)
	defer cancel()
	if err := d.tenure.SaveRecord(ctx, r); err != nil {
		return fmt.Errorf("%w: %w", errShared, err)
	}
	return nil
}

// standbyPages returns the handler of --http while no node runs.
func (f *fleetMember) standbyPages() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", f.standbyHealth)
	mux.HandleFunc("GET /{$}", func(rw http.ResponseWriter, r *http.Request) {
		rw.Header().Set("Content-Type", "text/plain; charset=utf-8")
		rw.Header().Set("Cache-Control", "no-store")
		fmt.Fprintln(rw, f.standbyText())
	})
	return mux
}

// standbyMetrics returns the handler of --metrics while no node runs.
func (f *fleetMember) standbyMetrics() http.Handler {
	registry := newRegistry()
	registry.MustRegister(newFleetCollector(f))
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", promHandler(registry))
	mux.HandleFunc("GET /healthz", f.standbyHealth)
	return mux
}

// standbyHealth serves /healthz: a standby is healthy as long as it runs.
func (f *fleetMember) standbyHealth(rw http.ResponseWriter, _ *http.Request) {
	writeHealth(rw, "")
	fmt.Fprintln(rw, f.standbyText())
	if p := f.problem(); p != "" {
		fmt.Fprintln(rw, "degraded: fleet: "+p)
	}
}

// standbyStatus returns what systemctl status shows of a standby.
func (f *fleetMember) standbyStatus() string {
	text := f.standbyText()
	if p := f.problem(); p != "" {
		text += "; the fleet does not work: " + p
	}
	return text
}

func (f *fleetMember) standbyText() string {
	s := f.lease.State()
	if s.Holder == "" {
		return "standing by for the identity " + f.o.fleet.identity
	}
	return "standing by for the identity " + f.o.fleet.identity + ", which " + s.Holder + " holds"
}
