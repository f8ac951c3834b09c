package main

import (
	"fmt"
	"log/slog"
	"time"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"

	"github.com/fastdisc/discv5"
)

// serviceManager tells systemd about the state of the daemon (sd_notify(3)). Without a service
// manager, which NOTIFY_SOCKET in the environment shows, its methods do nothing.
type serviceManager struct {
	log      *slog.Logger
	watchdog time.Duration // how often it wants to hear from the daemon; 0 for never
}

func newServiceManager(log *slog.Logger) *serviceManager {
	m := &serviceManager{log: log}
	interval, err := sdnotify.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("the watchdog of the service manager cannot be served", "err", err)
	}
	m.watchdog = interval
	return m
}

func (m *serviceManager) send(state string) {
	if _, err := sdnotify.SdNotify(false, state); err != nil {
		m.log.Warn("cannot notify the service manager", "err", err)
	}
}

// ready ends a start.
func (m *serviceManager) ready() { m.send(sdnotify.SdNotifyReady) }

// reloading begins a reload. Type=notify-reload wants to know when that was.
func (m *serviceManager) reloading() {
	m.send(sdnotify.SdNotifyReloading + "\n" + sdnotify.SdNotifyMonotonicUsec())
}

// reloaded ends a reload. A node whose old settings stay in force is ready too; the status says
// why.
func (m *serviceManager) reloaded(err error) {
	status := "settings were reloaded"
	if err != nil {
		status = "settings were not reloaded; the old ones stay in force: " + oneLine(err)
	}
	m.send(sdnotify.SdNotifyReady + "\nSTATUS=" + status)
}

// stopping begins the end.
func (m *serviceManager) stopping() { m.send(sdnotify.SdNotifyStopping) }

// alive answers the watchdog and has systemctl status show what the node does.
func (m *serviceManager) alive(s discv5.Stats) {
	state := fmt.Sprintf("STATUS=%d nodes, %d live; %d sessions", s.Table, s.Live, s.Sessions.Sessions)
	if m.watchdog > 0 {
		state = sdnotify.SdNotifyWatchdog + "\n" + state
	}
	m.send(state)
}
