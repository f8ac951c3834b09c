package discv5

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/fastdisc/discv5/enr"
)

// A text stands for the node that it names, and a text that cannot be used says why.
func TestParseContact(t *testing.T) {
	key, err := enr.ParsePrivateKey(append(make([]byte, 31), 7))
	if err != nil {
		t.Fatal(err)
	}
	at := netip.MustParseAddrPort("192.0.2.7:9007")
	sign := func(b *enr.Builder) string {
		r, err := b.Sign(key)
		if err != nil {
			t.Fatal(err)
		}
		return r.String()
	}
	record := sign(enr.NewBuilder().SetIP(at.Addr()).SetUDP(at.Port()))
	enode := func(host string, tcp, udp uint16) string {
		e := enr.Enode{PublicKey: key.PublicKey(), Host: host, TCP: tcp, UDP: udp}
		return e.String()
	}
	bad := []byte(record)
	bad[len(bad)-3] ^= 1
	for _, c := range []struct {
		name, text string
		want       []error
	}{
		{"record", record, nil},
		{"enode", enode("192.0.2.7", 1, 9007), nil},
		{"enode over mapped IPv4", enode("[::ffff:192.0.2.7]", 1, 9007), nil},
		{"record with a bad signature", string(bad), []error{ErrContact}},
		{"record without an address", sign(enr.NewBuilder().SetUDP(9)), []error{ErrContact, ErrNoEndpoint, enr.ErrNoUDP}},
		{"record without a port", sign(enr.NewBuilder().SetIP(at.Addr())), []error{ErrContact, ErrNoEndpoint, enr.ErrNoUDP}},
		{"enode with a name", enode("node.example", 1, 9007), []error{ErrContact, ErrNoEndpoint}},
		{"enode that does not discover", enode("192.0.2.7", 9007, 0), []error{ErrContact, ErrNoEndpoint}},
		{"enode without a key", "enode://00@192.0.2.7:9007", []error{ErrContact, enr.ErrEnode}},
		{"nothing", "", []error{ErrContact}},
		{"a tree", "enrtree://A@example.org", []error{ErrContact}},
		{"line feeds and a lot of text", strings.Repeat("enr\n", 1000), []error{ErrContact}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := ParseContact(c.text)
			if (err == nil) != (len(c.want) == 0) {
				t.Fatalf("error %v", err)
			}
			for _, want := range c.want {
				if !errors.Is(err, want) {
					t.Errorf("error %v, want %v", err, want)
				}
			}
			if err != nil {
				if strings.Contains(err.Error(), "\n") || len(err.Error()) > 500 {
					t.Errorf("an error of %d bytes: %q", len(err.Error()), err)
				}
				begins := strings.HasPrefix(c.text, "enr:") || strings.HasPrefix(c.text, "enode:")
				if says := strings.Contains(err.Error(), "want a text that begins with enr: or enode://"); says == begins {
					t.Errorf("%v says what a node begins with: %v, want %v", err, says, !begins)
				}
				if _, err := ParseContacts(record, c.text); err == nil || !strings.Contains(err.Error(), "node 2 of 2") {
					t.Errorf("a list does not say which: %v", err)
				}
				return
			}
			if got.ID() != key.ID() {
				t.Errorf("node %s", got.ID())
			}
		})
	}
	list, err := ParseContacts(record, enode("192.0.2.7", 1, 9007))
	if err != nil || len(list) != 2 {
		t.Errorf("%d contacts, %v", len(list), err)
	}
}

// A contact made of a text works like a contact made of a record.
func TestParsedContactAnswers(t *testing.T) {
	a, b := loopback(t, "127.0.0.1:0", nil), loopback(t, "127.0.0.1:0", nil)
	at := b.Addrs()[0]
	e := enr.Enode{PublicKey: b.cfg.PrivateKey.PublicKey(), Addr: at.Addr(), TCP: 1, UDP: at.Port()}
	for name, text := range map[string]string{"record": b.LocalRecord().String(), "enode": e.String()} {
		c, err := ParseContact(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := a.Ping(t.Context(), c); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := a.Ping(t.Context(), ContactOf(nil)); !errors.Is(err, ErrNoEndpoint) {
		t.Errorf("PING to nobody: %v", err)
	}
}
