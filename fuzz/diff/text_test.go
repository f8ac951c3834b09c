package diff

import (
	"net"
	"testing"

	"github.com/ethereum/go-ethereum/p2p/enode"

	"github.com/fastdisc/discv5/enr"
)

const exampleText = "enr:-IS4QHCYrYZbAKWCBRlAy5zzaDZXJBGkcnh4MHcBFZntXNFrdvJjX04jRzjzCBOonrkTfj499SZuOh8R33Ls8RRcy5wBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCCdl8"

const exampleKey = "ca634cae0d49acb401d8a4c6b6fe8c55b70d115bf400769cc1400f3258cd31387574077f301b421bc84df7266c44e9e6d569fc56be00812904767bf5ccd1fc7f"

func recordTextVerdict(b []byte) (ours, theirs error) {
	_, ours = enr.ParseText(string(b))
	_, theirs = enode.Parse(enode.ValidSchemes, string(b))
	return ours, theirs
}

func FuzzRecordText(f *testing.F) {
	f.Add(exampleText)
	for _, d := range differences {
		if d.target == "record text" {
			f.Add(d.sample)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if len(s) > 8 && s[:8] == "enode://" {
			return // theirs takes both
		}
		if agree(t, "record text", []byte(s)) {
			r, err := enr.ParseText(s)
			if err != nil {
				t.Fatal(err)
			}
			compareRecords(t, r.Bytes())
		}
	})
}

func enodeVerdict(b []byte) (ours, theirs error) {
	_, ours = enr.ParseEnode(string(b))
	_, theirs = enode.ParseV4(string(b))
	return ours, theirs
}

func FuzzEnode(f *testing.F) {
	for _, s := range []string{"@1.2.3.4:30303", "@[2001:db8::1]:30303?discport=30301", "@node.example.org:0?discport=9000", "@1.2.3.4:5?discport=0"} {
		f.Add("enode://" + exampleKey + s)
	}
	for _, d := range differences {
		if d.target == "enode" {
			f.Add(d.sample)
		}
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !agree(t, "enode", []byte(s)) {
			return
		}
		ours, err := enr.ParseEnode(s)
		if err != nil {
			t.Fatal(err)
		}
		theirs, _ := enode.ParseV4(s)
		id, err := ours.ID()
		if err != nil || enode.ID(id) != theirs.ID() {
			t.Fatalf("node %v, %v, theirs %v", id, err, theirs.ID())
		}
		if int(ours.TCP) != theirs.TCP() || int(ours.UDP) != theirs.UDP() {
			t.Fatalf("ports %d and %d, theirs %d and %d", ours.TCP, ours.UDP, theirs.TCP(), theirs.UDP())
		}
		switch {
		case !ours.Addr.IsValid() && ours.Host != theirs.Hostname():
			t.Fatalf("host %q, theirs %q", ours.Host, theirs.Hostname())
		case ours.Addr.IsValid() && theirs.IPAddr().IsValid() && theirs.IPAddr().Unmap() != ours.Addr:
			t.Fatalf("address %v, theirs %v", ours.Addr, theirs.IPAddr())
		case ours.Addr.IsValid() && !theirs.IPAddr().IsValid() && !net.IP(ours.Addr.AsSlice()).IsMulticast():
			t.Fatalf("address %v, theirs has none", ours.Addr)
		}
		// And back.
		again, err := enode.ParseV4(ours.String())
		if err != nil || again.ID() != theirs.ID() {
			t.Fatalf("theirs does not read %s: %v", ours, err)
		}
	})
}
