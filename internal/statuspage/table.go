package statuspage

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"strconv"
	"time"

	"github.com/fastdisc/discv5"
	"github.com/fastdisc/discv5/enr"
)

// shownGroups bounds the forks and the clients that the page names, and shownDistances the
// distances. The last entry of a longer list sums up the others.
const (
	shownGroups    = 10
	shownDistances = 40
)

// ForkOf names the fork that a record states by its entry eth2, of the consensus layer, or eth, of
// the execution layer.
func ForkOf(r *enr.Record) string {
	if e, ok := r.Eth2(); ok {
		return fmt.Sprintf("eth2 %x", e.ForkDigest)
	}
	if e, ok := r.Eth(); ok {
		return fmt.Sprintf("eth %x", e.Hash)
	}
	return "none stated"
}

// clientOf returns the name of the client in a record (EIP-7636), in a form that can be shown.
func clientOf(r *enr.Record) string {
	name, ok := r.ClientName()
	if !ok {
		return "none stated"
	}
	return printable(name)
}

// familyOf names the address families of a record.
func familyOf(r *enr.Record) string {
	_, v4 := r.UDPEndpoint4()
	_, v6 := r.UDPEndpoint6()
	switch {
	case v4 && v6:
		return "IPv4 and IPv6"
	case v4:
		return "IPv4"
	case v6:
		return "IPv6"
	}
	return "no address"
}

// ages are the groups of ages.
var ages = []struct {
	name  string
	below time.Duration
}{
	{"under 10 minutes", 10 * time.Minute}, {"under an hour", time.Hour}, {"under 6 hours", 6 * time.Hour},
	{"under a day", 24 * time.Hour}, {"under a week", 7 * 24 * time.Hour}, {"a week or more", 1<<63 - 1},
}

// describeTable counts the nodes of a table by several criteria.
func describeTable(now time.Time, nodes iter.Seq[discv5.KnownNode], fork func(*enr.Record) string) (t Table) {
	families, forks, clients := map[string]int{}, map[string]int{}, map[string]int{}
	var age [6]int
	var distances [257]int
	for n := range nodes {
		if !n.Member {
			t.Replacements++
			continue
		}
		t.Members++
		if n.Live {
			t.Live++
		}
		if n.Inbound {
			t.Inbound++
		}
		families[familyOf(n.Record)]++
		forks[fork(n.Record)]++
		clients[clientOf(n.Record)]++
		i := 0
		for now.Sub(n.Added) >= ages[i].below {
			i++
		}
		age[i]++
		distances[min(max(n.Distance, 0), 256)]++
	}
	t.Families, t.Forks, t.Clients = largest(families), largest(forks), largest(clients)
	for i, n := range age {
		t.Ages = append(t.Ages, Count{ages[i].name, n})
	}
	t.Distances = []Count{}
	for d, n := range slices.Backward(distances[:]) {
		if n > 0 {
			t.Distances = append(t.Distances, Count{strconv.Itoa(d), n})
		}
	}
	t.Distances = sumUp(t.Distances, shownDistances)
	return t
}

// largest returns the groups with the most nodes, largest first.
func largest(groups map[string]int) []Count {
	list := make([]Count, 0, len(groups))
	for name, n := range groups {
		list = append(list, Count{name, n})
	}
	slices.SortFunc(list, func(a, b Count) int { return cmp.Or(cmp.Compare(b.Nodes, a.Nodes), cmp.Compare(a.Name, b.Name)) })
	return sumUp(list, shownGroups)
}

// sumUp replaces the entries after the first most by one.
func sumUp(list []Count, most int) []Count {
	if len(list) <= most {
		return list
	}
	rest := 0
	for _, c := range list[most:] {
		rest += c.Nodes
	}
	return append(list[:most:most], Count{fmt.Sprintf("%d others", len(list)-most), rest})
}

// sumUp counts the refused nodes and bounds their groups.
func (f *Forks) sumUp() {
	f.RefusedNodes = 0
	for _, c := range f.Refused {
		f.RefusedNodes += c.Nodes
	}
	f.Refused = sumUp(f.Refused, shownGroups)
}
