package dnsdisc

import (
	"testing"

	"github.com/fastdisc/discv5/enr"
	"github.com/fastdisc/discv5/internal/dnstest"
)

// oddRecord is the text of a record with ip 127.0.0.1 and a udp of 0.
const oddRecord = "enr:-IK4QO4OTSqK3chg6MIU3DGDDxiCGf-K3udzQUHtVSmTtILtdjrtusW7w8UGgwfP62ocLCbWizU293csfxQayiggYioBgmlkgnY0gmlwhH8AAAGJc2VjcDI1NmsxoQPKY0yuDUmstAHYpMa2_oxVtw0RW_QAdpzBQA8yWM0xOIN1ZHCA"

// TestOddRecordIsListed: lists may contain a record with an entry that does not fit, and the rest
// stays valid.
func TestOddRecordIsListed(t *testing.T) {
	odd, err := enr.ParseText(oddRecord)
	if err != nil {
		t.Fatal(err)
	}
	s := dnstest.Start(t)
	tree, link := make1(t, 1, domain, 1, append(records(t, 3), odd))
	for label, text := range tree {
		name := domain
		if label != "" {
			name = label + "." + domain
		}
		s.Text(name, text)
	}
	list := resolve(t, fast(s), link)
	found := 0
	for _, r := range list {
		if r.Equal(odd.View()) {
			found++
		}
	}
	if len(list) != 4 || found != 1 {
		t.Errorf("%d records, %d of them odd", len(list), found)
	}
}
