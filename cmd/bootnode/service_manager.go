package main

import (
	"fmt"
	"log/slog"
	"time"

	sdnotify "github.com/coreos/go-systemd/v22/daemon"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/internal/cli"
)

// serviceManager notifies systemd of the state of the daemon (sd_notify(3)). Its methods do nothing
// if NOTIFY_SOCKET is not in the environment: no service manager runs the daemon then.
type serviceManager struct {
	log      *slog.Logger
	quiet    bool          // one of several networks: the group of them notifies
	standby  bool          // the node starts and stops: its owner says ready and stopping
	watchdog time.Duration // maximum time between notifications; 0 for no watchdog
}

func newServiceManager(log *slog.Logger) *serviceManager {
	m := &serviceManager{log: log}
	interval, err := sdnotify.SdWatchdogEnabled(false)
	if err != nil {
		log.Warn("cannot serve the watchdog of the service manager", "err", err)
	}
	m.watchdog = interval
	return m
}

func (m *serviceManager) send(state string) {
	if m.quiet {
		return
	}
	if _, err := sdnotify.SdNotify(false, state); err != nil {
		m.log.Warn("cannot notify the service manager", "err", err)
	}
}

// ready says that the start is complete.
func (m *serviceManager) ready() {
	if !m.standby {
		m.send(sdnotify.SdNotifyReady)
	}
}

// reloading says that a reload begins. Type=notify-reload needs the time.
func (m *serviceManager) reloading() {
	m.send(sdnotify.SdNotifyReloading + "\n" + sdnotify.SdNotifyMonotonicUsec())
}

// reloaded says that a reload has ended. The node is ready even if the old settings stay in force;
// the status says why they do.
func (m *serviceManager) reloaded(err error) {
	status := "settings were reloaded"
	if err != nil {
		status = "settings were not reloaded; the old ones stay in force: " + cli.OneLine(err)
	}
	m.send(sdnotify.SdNotifyReady + "\nSTATUS=" + status)
}

// stopping says that the daemon stops.
func (m *serviceManager) stopping() {
	if !m.standby {
		m.send(sdnotify.SdNotifyStopping)
	}
}

// waiting resets the watchdog while no node runs.
func (m *serviceManager) waiting(text string) {
	state := "STATUS=" + text
	if m.watchdog > 0 {
		state = sdnotify.SdNotifyWatchdog + "\n" + state
	}
	m.send(state)
}

// alive resets the watchdog and sets the text that systemctl status shows.
func (m *serviceManager) alive(s discv5.Stats) {
	state := fmt.Sprintf("STATUS=%d nodes, %d live; %d sessions", s.Table, s.Live, s.Sessions.Sessions)
	if m.watchdog > 0 {
		state = sdnotify.SdNotifyWatchdog + "\n" + state
	}
	m.send(state)
}
