package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/pflag"

	"github.com/fastdisc/discv5/internal/cli"
	"github.com/fastdisc/discv5/internal/fleet"
	"github.com/fastdisc/discv5/internal/quote"
)

// fleetOptions are the settings about other bootnodes of the operator.
type fleetOptions struct {
	servers    []string
	name       string
	identity   string
	secretFile string
	config     fleet.Config // the files that the settings name

	list   []string // of servers
	secret []byte   // of secretFile
}

// fleetFlags are the names of the settings.
var fleetFlags = []string{"fleet", "fleet-name", "fleet-identity", "fleet-secret", "fleet-credentials", "fleet-nkey", "fleet-ca", "fleet-cert", "fleet-key"}

func (o *fleetOptions) addFlags(f *pflag.FlagSet) {
	f.StringArrayVar(&o.servers, "fleet", nil, "share nodes and bans with other bootnodes through NATS JetStream: `URLS` of servers, nats://HOST:PORT or tls://HOST:PORT, separated by commas; repeatable")
	f.StringVar(&o.name, "fleet-name", "", "`NAME` of this bootnode in the fleet. Default: name of the host and UDP port")
	f.StringVar(&o.identity, "fleet-identity", "", "share the identity `NAME`: of the bootnodes with the same one, one answers and the others stand by")
	f.StringVar(&o.secretFile, "fleet-secret", "", "`FILE` with random text, 32 bytes or more: the fleet keeps the private key of the identity, encrypted with it. Default: each bootnode has the key")
	f.StringVar(&o.config.Credentials, "fleet-credentials", "", "`FILE` with NATS credentials, a JWT and its seed")
	f.StringVar(&o.config.NKey, "fleet-nkey", "", "`FILE` with the seed of an NKey")
	f.StringVar(&o.config.CA, "fleet-ca", "", "PEM `FILE` with the certificate authorities of the servers. Default: those of the system")
	f.StringVar(&o.config.Cert, "fleet-cert", "", "PEM `FILE` with a certificate of this bootnode")
	f.StringVar(&o.config.Key, "fleet-key", "", "PEM `FILE` with the key of --fleet-cert")
}

// maxSecret bounds the size of the file of --fleet-secret, in bytes.
const maxSecret = 4096

// parseFleet checks the settings and reads the secret.
func (o *options) parseFleet() error {
	f := &o.fleet
	for _, list := range f.servers {
		f.list = append(f.list, cli.SplitList(list)...)
	}
	for _, name := range fleetFlags {
		if o.origin[name] != "" && (name == "fleet" && len(f.list) == 0 || name != "fleet" && o.flags.Lookup(name).Value.String() == "") {
			return fmt.Errorf("%s is empty", o.from(name))
		}
	}
	if len(f.list) == 0 {
		o.warnUseless("--fleet", fleetFlags[1:]...)
		return nil
	}
	f.config.Servers = f.list
	if f.name == "" {
		f.name = o.defaultFleetName()
	}
	f.config.Name = f.name
	if err := f.config.Check(); err != nil {
		return fmt.Errorf("%s: %s", o.from("fleet"), cli.OneLine(err, "wrong setting"))
	}
	for _, s := range []struct{ name, value string }{{"fleet-name", f.name}, {"fleet-identity", cmp.Or(f.identity, "none")}} {
		if !fleet.ValidName(s.value) {
			return fmt.Errorf("%s %s: want 1 to 64 letters, digits, - and _", o.from(s.name), quote.Short(s.value))
		}
	}
	switch {
	case f.identity == "":
		o.warnUseless("--fleet-identity", "fleet-secret")
		return nil
	case o.name != "":
		return fmt.Errorf("%s: a process with [[network]] tables cannot share an identity; run a process without them for each identity", o.from("fleet-identity"))
	}
	return o.readFleetSecret()
}

// readFleetSecret reads the file of --fleet-secret.
func (o *options) readFleetSecret() error {
	f := &o.fleet
	if f.secretFile == "" {
		return nil
	}
	file, err := cli.OpenRegular(f.secretFile)
	if err != nil {
		return fmt.Errorf("%s: %w", o.from("fleet-secret"), err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxSecret+1))
	if err != nil {
		return fmt.Errorf("%s: %w", o.from("fleet-secret"), err)
	}
	switch f.secret = bytes.TrimSpace(text); {
	case len(text) > maxSecret:
		return fmt.Errorf("%s %s: more than %d bytes", o.from("fleet-secret"), f.secretFile, maxSecret)
	case len(f.secret) < fleet.MinSecret:
		return fmt.Errorf("%s %s: %d bytes; want %d or more, such as from openssl rand -hex 32", o.from("fleet-secret"), f.secretFile, len(f.secret), fleet.MinSecret)
	}
	return nil
}

// defaultFleetName returns a name that differs from those of other processes and machines.
func (o *options) defaultFleetName() string {
	host, err := os.Hostname()
	if err != nil {
		host = "bootnode"
	}
	port := os.Getpid()
	if len(o.listen) > 0 && o.listen[0].Port() != 0 {
		port = int(o.listen[0].Port())
	}
	return fleetWord(host, 50) + "-" + strconv.Itoa(port)
}

// fleetWord returns s as part of a name in the fleet.
func fleetWord(s string, most int) string {
	word := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '-' || r == '_' {
			return r
		}
		return '-'
	}, s)
	return word[:min(len(word), most)]
}

// fleetNetwork returns the part of the names of buckets that stands for the network: bootnodes of
// different networks share nothing.
func (o *options) fleetNetwork() string {
	name := o.name
	if name == "" && o.net.chain != nil {
		name = cmp.Or(o.net.chain.Name(), "custom")
		if layer := string(o.net.chain.Layer()); layer != "" {
			name += "-" + layer
		}
	}
	return fleetWord(cmp.Or(name, "default"), 40)
}
