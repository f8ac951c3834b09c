// Package manypeers measures a server under the load of many peers with one packet each, which no
// batching by sender helps with.
//
// Each server runs in a network namespace of its own, at one end of a veth pair. The other ends are
// in the namespace of the generator. The package makes the namespaces and the pairs, and sends to
// no other interface. It needs root.
//
// # Load
//
// An XDP program run with BPF_F_TEST_XDP_LIVE_FRAMES sends prepared frames, each from an endpoint
// of its own. They arrive as XDP frames, as they would from a network card with native XDP. A TC
// program at the generator's end counts the answers by their size and drops them. The loop is
// closed: a bounded number of requests is under way.
//
// # Cost
//
// The cost of an exchange is the CPU time of the whole machine:
//
//	server   schedstat of all threads of the server, for each answered request
//	receive  CPU time of the generator's thread inside BPF_PROG_RUN, for each request that was
//	         sent: making the frame, veth, NAPI, and XDP or the receive path of IP and UDP
//	kernel   schedstat of ksoftirqd and of NAPI threads, for each request that was sent
//
// The generator's own part and the way back through veth stay in. They are the same for all
// servers, so ratios favor the expensive ones.
//
//   - peer: a node that the generator acts as, with its endpoint and its session
//   - burst: the frames of one BPF_PROG_RUN
//   - window: the requests under way
package manypeers
