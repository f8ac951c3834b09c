package results

// Where is where the benchmark of a stage is.
type Where struct {
	Name      string
	Package   string // directory in the module
	Benchmark string
	Part      bool // counted in the sum over a PING
	Large     bool // many sessions have to be made: left out of quick runs
	Since     int  // the first version of the file that has it; 0 for all
}

// Stages are the parts of the packet path. Those of a PING add up to what the engine takes for one,
// except its own work; others are steps of handshakes, tables and larger session maps.
func Stages() []Where {
	return []Where{
		{"unmask the header", "aead", "MaskXOR/own/16+39", false, false, 0},
		{"unmask and parse the header", "codec", "Packet/decode/message", true, false, 0},
		{"session lookup, 1,000 sessions", "internal/session", "Lookup/sessions=1k", true, false, 0},
		{"session lookup, 10,000", "internal/session", "Lookup/sessions=10k", false, false, 0},
		{"session lookup, 100,000", "internal/session", "Lookup/sessions=100k", false, true, 0},
		{"session lookup, 1,000,000", "internal/session", "LookupLarge/sessions=1M", false, true, 0},
		{"open a message of 16 bytes", "aead", "Open/default/16", true, false, 0},
		{"decode PING", "codec", "Message/decode/PING", true, false, 0},
		{"encode PONG", "codec", "Message/encode/PONG", true, false, 0},
		{"nonce", "aead", "Random/Next", true, false, 0},
		{"seal a message of 32 bytes", "aead", "Seal/default/32", true, false, 0},
		{"write and mask the header", "codec", "Packet/encode/message", true, false, 0},
		{"handler of PING, decoding to masked answer", "internal/engine", "Handler/ping", false, false, 0},
		{"handler of FINDNODE, 16 records in 4 packets", "internal/engine", "Handler/findnode", false, false, 0},
		{"handler of TALKREQ", "internal/engine", "Handler/talk", false, false, 0},
		{"whole engine, PING, 1,000 sessions", "internal/engine", "Engine/ping/sessions=1k", false, false, 0},
		{"whole engine, PING, 100,000 sessions", "internal/engine", "Engine/ping/sessions=100k", false, true, 0},
		{"whole engine, FINDNODE, 16 records", "internal/engine", "Engine/findnode/one=16", false, false, 0},
		{"whole engine, new junk", "internal/engine", "Engine/junk/new", false, false, 0},
		{"registrar, PING", "internal/engine", "Topics/ping", false, false, topics},
		{"registrar, FINDNODE, 16 records", "internal/engine", "Topics/findnode", false, false, topics},
		{"registrar, REGTOPIC, ad in the cache", "internal/engine", "Topics/regtopic/known", false, false, topics},
		{"registrar, REGTOPIC, ticket", "internal/engine", "Topics/regtopic/ticket", false, false, topics},
		{"registrar, REGTOPIC, admitted", "internal/engine", "Topics/regtopic/admitted", false, false, topics},
		{"registrar, REGTOPIC, ticket and 3 auxiliary records", "internal/engine", "Topics/regtopic/auxiliary=3", false, false, topics},
		{"registrar, TOPICQUERY, 10 ads and 3 auxiliary records", "internal/engine", "Topics/topicquery", false, false, topics},
		{"address score, 1,000 ads", "topic", "Score/1000", false, false, topics},
		{"address score, 100,000 ads", "topic", "Score/100000", false, false, topics},
		{"waiting time without score, 1,000 ads", "topic", "WaitingTime/1000", false, false, topics},
		{"waiting time without score, 100,000 ads", "topic", "WaitingTime/100000", false, false, topics},
		{"sample of 10 ads of 1,000", "topic", "Sample/1000", false, false, topics},
		{"sample of 10 ads of 100,000", "topic", "Sample/100000", false, false, topics},
		{"read 16 records from the table", "table", "Relay16", false, false, 0},
		{"challenge, new", "internal/session", "Challenge/new", false, false, 0},
		{"challenge, repeated", "internal/session", "Challenge/repeated", false, false, 0},
		{"handshake: initiate", "internal/session", "Handshake/initiate", false, false, 0},
		{"handshake: accept, new record", "internal/session", "Handshake/accept/record=new", false, false, 0},
		{"handshake: accept, known record", "internal/session", "Handshake/accept/record=known", false, false, 0},
		{"handshake: accept, new record, without curve arithmetic", "internal/session", "Handshake/rest/record=new", false, false, 0},
		{"handshake: ECDH", "internal/curve", "ECDH", false, false, 0},
		{"handshake: sign", "internal/curve", "Sign", false, false, 0},
		{"handshake: verify", "internal/curve", "Verify", false, false, 0},
		{"handshake: verify with the same key", "internal/curve", "VerifyPoint", false, false, 0},
		{"handshake: public key", "internal/curve", "PublicKey", false, false, 0},
		{"handshake: derive keys", "aead", "DeriveKeys", false, false, 0},
		{"handshake: digest to sign", "aead", "IDSignatureDigest", false, false, 0},
		{"handshake: verify a record", "enr", "Verify", false, false, 0},
	}
}
