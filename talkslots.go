package discv5

import (
	"sync"

	"github.com/fastdisc/discv5/enr"
)

// talkSlots are the TALK handlers that may run at a time. Once half of them do, a peer that has its share gets no more, so that one whose
// requests take long leaves room for others.
type talkSlots struct {
	mu    sync.Mutex
	max   int
	used  int
	peers map[enr.ID]int // that have some
}

// talkShare: a peer may have an eighth of the slots, and one at least, when more than half are taken.
const talkShare = 8

func (s *talkSlots) init(max int) { s.max, s.peers = max, make(map[enr.ID]int) }

// take gives a peer a slot, for free to give back, or reports false.
func (s *talkSlots) take(peer enr.ID) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.used == s.max || 2*s.used >= s.max && s.peers[peer] >= max(s.max/talkShare, 1) {
		return false
	}
	s.used++
	s.peers[peer]++
	return true
}

func (s *talkSlots) free(peer enr.ID) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used--
	if s.peers[peer]--; s.peers[peer] == 0 {
		delete(s.peers, peer)
	}
}
