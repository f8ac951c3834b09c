package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"runtime"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/load"
)

// errSilent: nothing came back.
var errSilent = errors.New("the target did not answer at all")

// generate runs the load of the command line.
func generate(ctx context.Context, o *options, stdout, stderr io.Writer) error {
	cfg := o.cfg
	var err error
	if cfg.Target, err = findTarget(ctx, o); err != nil {
		return err
	}
	if o.sources > 0 && !(cfg.Target.Addr.Addr().Is4() && cfg.Target.Addr.Addr().IsLoopback()) {
		return cli.Usagef("--sources: %v is no target in 127.0.0.0/8", cfg.Target.Addr.Addr())
	}
	pid, note, err := measurable(o.pid)
	if err != nil {
		return cli.Usage(err)
	}
	files, err := openFiles(o)
	if err != nil {
		return cli.Usage(err)
	}
	defer files.discard()
	g, err := load.New(cfg)
	switch {
	case errors.Is(err, load.ErrPublic):
		return cli.Usagef("--target: %v is neither on this machine nor in a private network; if the node is yours, say --i-own-this-target", cfg.Target.Addr.Addr())
	case errors.Is(err, load.ErrConfig), errors.Is(err, load.ErrNoAddress):
		return cli.Usage(err)
	case err != nil:
		return err
	}
	defer g.Close()

	show := newProgress(stderr)
	rep := &report{options: o, cfg: g.Config(), note: note}
	if rep.prepared, err = g.Prepare(ctx, show.preparing); err != nil {
		show.clear()
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted with %d of %d sessions", rep.prepared.Sessions, cfg.Identities)
		}
		return err
	}
	if o.warmup > 0 {
		show.begin("warming up", o.warmup)
		if _, err := g.Run(ctx, load.Plan{For: o.warmup, OnPoint: show.point}); err != nil {
			show.clear()
			return err
		}
	}
	if ctx.Err() != nil {
		show.clear()
		return errors.New("interrupted before the run")
	}
	show.begin("running", o.duration)
	rep.result, err = g.Run(ctx, load.Plan{For: o.duration, Requests: o.requests, PID: pid, OnPoint: show.point})
	show.clear()
	if err != nil {
		return err
	}
	rep.info = g.Info()
	rep.judge()
	if err := files.write(rep, stdout); err != nil {
		return err
	}
	if rep.result.Total.Answered == 0 && !rep.result.Interrupted {
		return errSilent
	}
	return rep.broken()
}

// findTarget reads the target, and looks up its host name if it has one.
func findTarget(ctx context.Context, o *options) (load.Target, error) {
	fail := func(err error) (load.Target, error) {
		return load.Target{}, cli.Usagef("--target: %w", err)
	}
	t, err := load.ParseTarget(o.target, o.ipv6)
	if !errors.Is(err, load.ErrHostName) {
		if err != nil {
			return fail(err)
		}
		return t, nil
	}
	e, err := enr.ParseEnode(o.target)
	if err != nil {
		return fail(err)
	}
	addr, err := lookupHost(ctx, e.Host, o.ipv6)
	if err != nil {
		return load.Target{}, fmt.Errorf("--target: %w", err)
	}
	if t, err = load.EnodeTarget(e, addr); err != nil {
		return fail(err)
	}
	return t, nil
}

// lookupHost finds the address of a host name, of the family that is preferred if it has one.
func lookupHost(ctx context.Context, host string, ipv6 bool) (best netip.Addr, err error) {
	ctx, cancel := context.WithTimeout(ctx, cli.HostTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return best, err
	}
	for _, a := range found {
		if a = a.Unmap(); !best.IsValid() || best.Is6() != ipv6 && a.Is6() == ipv6 {
			best = a
		}
	}
	return best, nil
}

// measurable returns the process to measure, or 0 and a note that it cannot be.
func measurable(pid int) (int, string, error) {
	if pid == 0 {
		return 0, "", nil
	}
	_, err := load.NewMeter(pid)
	switch {
	case err == nil:
		return pid, "", nil
	case runtime.GOOS != "linux":
		return 0, "CPU time and memory of the target cannot be measured: " + runtime.GOOS + " has no /proc", nil
	}
	if errors.Is(err, fs.ErrNotExist) {
		return 0, "", fmt.Errorf("--pid %d: no such process", pid)
	}
	return 0, "", fmt.Errorf("--pid %d: %w", pid, unwrapAll(err))
}

// unwrapAll is the innermost error of a chain: the system's own.
func unwrapAll(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	return err
}

// write writes the report to all places.
func (f *files) write(r *report, stdout io.Writer) error {
	var errs []error
	put := func(to func([]byte) error, what string, b []byte, err error) {
		if err == nil {
			err = to(b)
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", what, err))
		}
	}
	print := func(b []byte) error { _, err := stdout.Write(b); return err }
	if f.json != nil || f.stdout {
		b, err := r.encode()
		if f.json != nil {
			put(f.json.replace, "--json", b, err)
		} else {
			put(print, "standard output", b, err)
		}
	}
	if f.html != nil {
		b, err := r.page()
		put(f.html.replace, "--html", b, err)
	}
	if !f.stdout {
		put(print, "standard output", []byte(r.text()), nil)
	}
	return errors.Join(errs...)
}
