package proctest

import (
	"net"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// NotifySocket is the socket of a service manager (sd_notify(3)). It keeps the messages that it
// receives.
type NotifySocket struct {
	// Path is for the environment variable NOTIFY_SOCKET of the program.
	Path string

	mu       sync.Mutex
	messages []string
}

// NewNotifySocket returns a socket that lasts as long as the test. It skips the test where there
// are no such sockets.
func NewNotifySocket(t testing.TB) *NotifySocket {
	t.Helper()
	s := &NotifySocket{Path: filepath.Join(t.TempDir(), "notify")}
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: s.Path, Net: "unixgram"})
	if err != nil {
		t.Skipf("probed for Unix datagram sockets: %v", err)
	}
	t.Cleanup(func() { c.Close() })
	go func() {
		b := make([]byte, 4096)
		for {
			n, err := c.Read(b)
			if err != nil {
				return
			}
			s.mu.Lock()
			s.messages = append(s.messages, string(b[:n]))
			s.mu.Unlock()
		}
	}()
	return s
}

// Messages returns the messages so far.
func (s *NotifySocket) Messages() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]string(nil), s.messages...)
}

// Wait waits for a message after the first n that has a part, and returns its index and text.
func (s *NotifySocket) Wait(t testing.TB, n int, part string) (at int, text string) {
	t.Helper()
	Eventually(t, "message with "+part, func() bool {
		all := s.Messages()
		for at = n; at < len(all); at++ {
			if text = all[at]; strings.Contains(text, part) {
				return true
			}
		}
		return false
	})
	return at, text
}
