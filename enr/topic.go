package enr

// TopicVersion is the version of topic discovery that this module supports (devp2p,
// enr-entries/ng.md).
const TopicVersion = 1

// Keys of the entry that marks a registrar of topics. The specification was renamed while it was
// written: its text has both keys, and records may have either.
const (
	keyTopics    = "ng"
	keyTopicsOld = "topic-discovery"
)

// TopicVersion returns the node's version of topic discovery: the value of "ng", or of
// "topic-discovery" if there is no "ng". It returns ok = false if there is neither, or if the value
// is not an integer of at most 64 bits.
func (v View) TopicVersion() (version uint64, ok bool) {
	value, ok := v.Get(keyTopics)
	if !ok {
		value, ok = v.Get(keyTopicsOld)
	}
	if !ok {
		return 0, false
	}
	version, err := integer(value)
	return version, err == nil
}

// SupportsTopics reports whether the node is a registrar of topics with version TopicVersion: one
// of the two entries has that value. Callers must not send topic messages to other nodes.
func (v View) SupportsTopics() bool {
	for _, key := range [...]string{keyTopics, keyTopicsOld} {
		if value, ok := v.Get(key); ok {
			if version, err := integer(value); err == nil && version == TopicVersion {
				return true
			}
		}
	}
	return false
}

// SetTopicVersion sets "ng", which marks a registrar of topics. Remove it with Delete("ng").
func (b *Builder) SetTopicVersion(version uint64) *Builder { return b.SetUint(keyTopics, version) }
