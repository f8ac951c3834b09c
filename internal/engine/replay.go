package engine

import (
	"encoding/binary"
	"math/bits"
	"time"

	"github.com/fastdisc/discv5/aead"
)

const (
	// replayWays is the number of marks in a bucket. With the cursor they fill one cache line.
	replayWays = 15
	// replayMinBuckets and replayMaxBuckets bound a filter: 4 KiB when new, 1 MiB at most.
	replayMinBuckets = 1 << 6
	replayMaxBuckets = 1 << 14
	// replayWindow is the time for which a filter remembers messages unless it has reached its
	// largest size.
	replayWindow = 2 * time.Minute
)

// replayFilter remembers the messages that a worker has opened, to answer no recorded one a
// second time. The kernel delivers all datagrams of one source to the same worker, so each worker
// needs only its own filter and takes no lock.
//
// The GCM tag identifies a message: a replay must repeat the tag, and nobody without the keys can
// make another packet that opens. The filter keeps 32 bits of a keyed hash
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
// The Rust implementation repeats the same bytes when no response has come for a second. Its
// request may have arrived, and the response was lost. The engine answers such a message a second
// time if the peer was quiet in between, once per message and once a second per session. Replays of
// a recorded message get no more than that.
type replayFilter struct {
	key     [2]uint64
	buckets []replayBucket // a power of two
	added   int            // messages since the last check of the size
	since   time.Duration  // time of that check
	// when a retransmission of a session was last answered, plus 1
	retries [retrySlots]time.Duration
}

const (
	// retryQuiet is the time for which a session must have been quiet before a repeated message
	// counts as a retransmission and not as a duplicate made by the network.
	retryQuiet = 500 * time.Millisecond
	// retryPause is the shortest time between two answered retransmissions of one session.
	retryPause = time.Second
	// retrySlots is the number of retransmission times that a worker keeps. Sessions that share a
	// slot share its pause.
	retrySlots = 64
	// retryMark turns the hash of a message into that of its retransmission.
	retryMark = 0x9e3779b97f4a7c15
)

// retransmitted reports whether to answer a message once more that is in the filter. h is its hash,
// session the hash of the session, and used the time of the last message of the peer.
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

// hash returns the keyed hash of the tag at the end of message, which is longer than a tag. Call it
// before opening the message.
func (f *replayFilter) hash(message []byte) uint64 {
	tag := message[len(message)-16:]
	hi, lo := bits.Mul64(binary.LittleEndian.Uint64(tag)^f.key[0], binary.LittleEndian.Uint64(tag[8:])^f.key[1])
	return hi ^ lo
}

func (f *replayFilter) bucket(h uint64) *replayBucket { return &f.buckets[h&uint64(len(f.buckets)-1)] }

// prefetch reads the cache line that add will need. Ignore the result.
func (f *replayFilter) prefetch(h uint64) byte { return byte(f.bucket(h).next) }

// add adds an opened message by its hash. It reports false if the filter has it.
func (f *replayFilter) add(now time.Duration, h uint64) bool {
	b, mark := f.bucket(h), uint32(h>>32)
	if mark == 0 {
		mark = 1 // 0 is an empty slot
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

// resize doubles the filter if it has taken half of its capacity in less than half of replayWindow.
// Each mark goes to both of its possible buckets, because its hash is not kept.
func (f *replayFilter) resize(now time.Duration) {
	if now-f.since < replayWindow/2 && len(f.buckets) < replayMaxBuckets {
		f.buckets = append(append(make([]replayBucket, 0, 2*len(f.buckets)), f.buckets...), f.buckets...)
	}
	f.added, f.since = 0, now
}
