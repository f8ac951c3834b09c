package fuzz

import "slices"

// Parts of scripts for FuzzEngine. Each reads as step does.

func join(parts ...[]byte) []byte { return slices.Concat(parts...) }

func repeat(n int, part func(i byte) []byte) (b []byte) {
	for i := range n {
		b = append(b, part(byte(i))...)
	}
	return b
}

func ping(seq byte) []byte      { return []byte{7, 0, seq} }
func findNode(a, b byte) []byte { return []byte{7, 1, a, b} }
func talk(known byte, size byte) []byte {
	return append([]byte{7, 2, 1 - known, size}, make([]byte, size)...)
}
func topicQuery(t byte) []byte { return []byte{7, 3, 255, t} }

// register is REGTOPIC with the record of the peer that has the number owner in peers.
func register(owner, t, first byte, ticket ...byte) []byte {
	return append([]byte{7, 4, owner, 255, t, first, byte(len(ticket))}, ticket...)
}

func knock(peer byte) []byte         { return []byte{stepMessage, peer, 1, 1, 2, 3, 4, 5} }
func ask(peer byte, m []byte) []byte { return join([]byte{stepRequest, peer}, m) }
func shake(peer, how byte, m []byte) []byte {
	return join([]byte{stepHandshake, peer, how}, m)
}
func tasks(n byte) []byte      { return []byte{stepTasks, n - 1} }
func wait(n, tens byte) []byte { return []byte{stepTime, n - 1, tens} }

// request is a call of the engine to the peer with the number of peerAt; how as in call.
func request(peer byte, how ...byte) []byte { return join([]byte{stepCall, peer + 1}, how) }

// engineSeeds are scripts that get far: a peer that shakes hands and asks, one that is called and
// answers, floods, lies.
func engineSeeds() [][]byte {
	const p, q, v6 = 1, 2, 3
	in := join(
		knock(p), shake(p, 0, ping(1)), tasks(1),
		ask(p, ping(200)), ask(p, findNode(0, 255)), ask(p, talk(1, 3)), ask(p, talk(1, 4)), ask(p, talk(0, 2)), ask(p, topicQuery(1)),
		ask(p, register(p+1, 1, 0)), tasks(1), ask(p, register(p+1, 2, 1, 1, 2, 3)), ask(p, register(q+1, 3, 0)), tasks(1), ask(p, topicQuery(1)),
		[]byte{stepMessage, p, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, // of a form that no message has
		knock(v6), shake(v6, 0, findNode(0, 0)), tasks(1),
		wait(250, 1), wait(250, 1), // the node checks them, and they do not answer
		[]byte{stepReplay, p, 0, 1, 0}, []byte{stepReplay, p, 0, 2, 0}, []byte{stepReplay, q, 0, 2, 0}, []byte{stepReplay, p, 0, 3, 3, 0, 50},
		wait(60, 5), ask(p, ping(1)),
		// its record names another address
		[]byte{stepMove, 0, q}, knock(0), shake(0, 0, ping(1)), tasks(1), ask(0, ping(3)),
	)
	out := join(
		request(p, 0), request(p, 1, 7), request(p, 3, 4, 180), request(p, 3, 0, 3),
		[]byte{stepWhoareyou, p, 0}, tasks(4), []byte{stepAccept, p, 0, 0},
		[]byte{stepAnswer, p, 2, 0, 0}, tasks(4), // TALKRESP
		request(p, 1, 9), []byte{stepAnswer, p, 1, 1, 3}, tasks(2), // NODES
		request(p, 3, 0, 9), []byte{stepAnswer, p, 2, 1, 2},
		wait(200, 2), []byte{stepLookup, 3}, []byte{stepAnswer, p, 1, 2, 4, 5}, tasks(2), wait(100, 2), tasks(5),
		request(q, 4, 3, 2), []byte{stepCancel, 1}, wait(30, 3), wait(30, 3), request(0, 0), []byte{stepMove, 0, 4, stepWhoareyou, 0, 0}, tasks(2),
		// and no tasks
		request(q, 0), []byte{stepWhoareyou, q, 0}, tasks(1), []byte{stepAccept, q, 0, 0}, request(q, 1, 9), []byte{stepAnswer, q, 1, 1, 3},
	)
	flood := join(
		repeat(100, func(i byte) []byte { return []byte{stepUnknown, i, i, i * 7, i} }),
		repeat(100, func(i byte) []byte { return []byte{stepUnknown, i, i, i * 7, i} }), wait(250, 1),
		repeat(12, func(i byte) []byte { return join(knock(i), shake(i, 0, ping(i))) }), tasks(8),
	)
	batch := join([]byte{stepBatch, 39}, repeat(39, func(i byte) []byte { return knock(i) }), []byte{stepBatch, 39},
		repeat(39, func(i byte) []byte { return shake(i, 0, ping(i)) }), tasks(8))
	lies := join(knock(p), repeat(10, func(i byte) []byte {
		how := []byte{4, 8, 1, 17, 5, 9, 2, 3, 16, 18}[i]
		spoil := []byte{9}[:min(how&12, 1)]
		return join(shake(p, dishonest+how, join(ping(1), spoil)), tasks(1))
	}), shake(p, 0, ping(2)), tasks(1), wait(255, 1), wait(255, 1), shake(p, 0, ping(1)),
		[]byte{stepPacket, 0, 3, 0, 0, 32, 12}, make([]byte, 72), []byte{stepPacket, 0, 1, 0, 0, 25, 6}, make([]byte, 36), []byte{stepPacket, 0, 2, 0, 0, 200, 40}, make([]byte, 240),
		[]byte{stepRaw, 0, 12}, make([]byte, 72), []byte{stepRaw, 0, 0}, request(p, 2, 4, 157), request(p, 2, 4, 160), wait(255, 3))
	last := []byte{stepReplay, p, 255, 255, 0}
	twice := join(knock(p), shake(p, 0, ping(1)), last, last, tasks(4), last, tasks(1), ask(p, ping(2)))
	list := [][]byte{twice, in, out, flood, batch, lies, join(in, out), join(out, in, out)}
	for i := range list { // the first byte says how often requests are sent again
		list[i] = join([]byte{byte(i % 3)}, list[i])
	}
	return list
}

// Parts of scripts for FuzzNetwork.

func netAsk(from, to, how byte) []byte { return []byte{netCall, from, to, how} }

func deliver(n byte) []byte { return []byte{netDeliver, n - 1} }

func allTasks() []byte { return []byte{netTasks, 0, 3, netTasks, 1, 3, netTasks, 2, 3} }

// networkSeeds: a handshake, crossed ones, with what a bad network does to each of their datagrams.
func networkSeeds() (list [][]byte) {
	once := join(netAsk(0, 1, 0), deliver(1), deliver(1), allTasks(), deliver(1), allTasks(), deliver(4))
	crossed := join(netAsk(0, 1, 0), netAsk(1, 0, 0), deliver(2), deliver(2), allTasks(), deliver(2), allTasks(), deliver(8))
	list = append(list, once, crossed, join(once, []byte{netForget, 1, 0}, netAsk(0, 1, 2), netAsk(0, 1, 6), deliver(16), allTasks(), deliver(16)))
	for _, bad := range [][]byte{{netLose}, {netRepeat}, {netChange, 0, 20, 1, 0}, {netForge, 2}, {netPick, 1}, {netTime, 120, 5}} {
		list = append(list,
			join(netAsk(0, 1, 0), bad, netAsk(1, 0, 1), deliver(2), bad, deliver(2), allTasks(), bad, deliver(2), allTasks(), deliver(8), bad),
			join(crossed, []byte{netRecord, 0, 5, netForget, 0, 1}, netAsk(0, 1, 1), netAsk(1, 0, 2), deliver(1), bad, allTasks(), bad, deliver(3), bad, allTasks()))
	}
	list = append(list, join(crossed, []byte{netLookup, 2, 1}, netAsk(2, 0, 3), deliver(9), allTasks(), deliver(9), allTasks(), []byte{netCancel, 3, netTime, 200, 1}))
	for i := range list {
		list[i] = join([]byte{byte(i%3 + i%5/4*realCurve)}, list[i])
	}
	return list
}
