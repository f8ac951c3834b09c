package engine

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/fastdisc/discv5/aead"
)

const (
	// replayWays is how many marks a bucket holds: with the cursor they fill one cache line.
	replayWays = 15
	// replayMinBuckets and replayMaxBuckets bound a filter: 4 KiB when new, 1 MiB at most.
	replayMinBuckets = 1 << 6
	replayMaxBuckets = 1 << 14
	// replayWindow is for how long a filter remembers what it was given unless it has reached its
	// largest size.
	replayWindow = 2 * time.Minute
)

// replayFilter remembers the messages that a worker has opened, so that a recorded one is not
// answered a second time. The kernel hands all datagrams of one source to the same worker, so
// that each worker needs only its own filter and takes no lock.
//
// A message is known by its GCM tag: whoever replays a packet must repeat the tag, and nobody
// without the keys can make another packet that opens. The filter keeps 32 bits of a keyed hash
// of the tag in one of up to 16,384 buckets of 15. A bucket overwrites its oldest mark.
//
//   - Memory: 4 KiB at first. It doubles while the filter turns over within replayWindow, up to
//     1 MiB, which holds 245,760 messages: at 1,000 messages a second those of the last 4 minutes,
//     at 100,000 those of the last 2.4 seconds. A mark lives for the time in which as many messages
//     arrive as the filter holds, on average; one in 120 lives for less than half of it.
//   - False positives: 15 marks are compared, so a new message is taken for an old one with a
//     probability of 15 in 2^32, one in 286 million. Its sender sees one lost packet.
//   - Time: one cache line for each message, which prefetch fetches ahead.
//
// # Retransmissions
//
// The Rust implementation sends the same bytes again when no answer has come for a second: its
// request has arrived and the answer was lost. Such a message is answered a second time if the peer
// has been quiet in between, once for each message, and once a second for each session. Somebody
// who replays what he has recorded gets no more than that.
type replayFilter struct {
	key     [2]uint64
	buckets []replayBucket // a power of two
	added   int            // messages since the filter was last checked for its size
	since   time.Duration  // when that was
	// when a retransmission of a session was last answered, plus 1
	retries [retrySlots]time.Duration
}

const (
	// retryQuiet is for how long a session must have been quiet before a message counts as
	// retransmitted and not as doubled by the network.
	retryQuiet = 500 * time.Millisecond
	// retryPause is the least time between two retransmissions of one session that are answered.
	retryPause = time.Second
	// retrySlots is how many times of retransmissions a worker keeps. Sessions that share a slot
	// share its pause.
	retrySlots = 64
	// retryMark turns the hash of a message into that of its retransmission.
	retryMark = 0x9e3779b97f4a7c15
)

// retransmitted reports whether a message that the filter has already is to be answered once more.
// h is its hash, session that of the session, and used when the peer was last heard.
func (f *replayFilter) retransmitted(now time.Duration, h, session uint64, used time.Duration) bool {
	slot := &f.retries[session%retrySlots]
	if now-used < retryQuiet || *slot != 0 && now-(*slot-1) < retryPause || !f.add(now, h^retryMark) {
		return false
	}
	*slot = now + 1
	return true
}

type replayBucket struct {
	marks [replayWays]uint32
	next  uint32 // the oldest mark
}

func (f *replayFilter) init(r *aead.Random) {
	f.key = [2]uint64{r.Uint64(), r.Uint64()}
	f.buckets = make([]replayBucket, replayMinBuckets)
}

// hash returns the keyed hash of the tag at the end of message, which codec has found to be longer
// than a tag. Call it before the message is opened.
func (f *replayFilter) hash(message []byte) uint64 {
	tag := message[len(message)-16:]
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(tag)^f.key[0], binary.LittleEndian.Uint64(tag[8:])^f.key[1])
	return hi ^ lo
}

func (f *replayFilter) bucket(h uint64) *replayBucket { return &f.buckets[h&uint64(len(f.buckets)-1)] }

// prefetch reads the cache line that add will need. The result has no meaning.
func (f *replayFilter) prefetch(h uint64) byte { return byte(f.bucket(h).next) }

// add enters a message that has opened, by its hash. It reports false if the filter has it already.
func (f *replayFilter) add(now time.Duration, h uint64) bool {
	b, mark := f.bucket(h), uint32(h>>32)
	if mark == 0 {
		mark = 1 // 0 is an empty place
	}
	for _, m := range b.marks {
		if m == mark {
			return false
		}
	}
	b.marks[b.next] = mark
	if b.next++; b.next == replayWays {
		b.next = 0
	}
	if f.added++; f.added >= len(f.buckets)*replayWays/2 {
		f.resize(now)
	}
	return true
}

// resize doubles the filter if it has taken in half of what it holds in less than half of
// replayWindow. Every mark goes to both buckets that can be its own now: its hash is not kept.
func (f *replayFilter) resize(now time.Duration) {
	if now-f.since < replayWindow/2 && len(f.buckets) < replayMaxBuckets {
		f.buckets = append(append(make([]replayBucket, 0, 2*len(f.buckets)), f.buckets...), f.buckets...)
	}
	f.added, f.since = 0, now
}
