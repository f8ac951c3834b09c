package results

// Where is where the benchmark of a stage is.
type Where struct {
	Name      string
	Package   string // directory in the module
	Benchmark string
	Part      bool // counted in the sum over a PING
	Large     bool // many sessions have to be made: left out of quick runs
}

// Stages are the parts of the packet path. Those of a PING add up to what the engine takes for one,
// except its own work; others are steps of handshakes, tables and larger session maps.
func Stages() []Where {
	return []Where{
		{"unmask the header", "aead", "MaskXOR/own/16+39", false, false},
		{"unmask and parse the header", "codec", "Packet/decode/message", true, false},
		{"session lookup, 1,000 sessions", "internal/session", "Lookup/sessions=1k", true, false},
		{"session lookup, 10,000", "internal/session", "Lookup/sessions=10k", false, false},
		{"session lookup, 100,000", "internal/session", "Lookup/sessions=100k", false, true},
		{"session lookup, 1,000,000", "internal/session", "LookupLarge/sessions=1M", false, true},
		{"open a message of 16 bytes", "aead", "Open/default/16", true, false},
		{"decode PING", "codec", "Message/decode/PING", true, false},
		{"encode PONG", "codec", "Message/encode/PONG", true, false},
		{"nonce", "aead", "Random/Next", true, false},
		{"seal a message of 32 bytes", "aead", "Seal/default/32", true, false},
		{"write and mask the header", "codec", "Packet/encode/message", true, false},
		{"handler of PING, decoding to masked answer", "internal/engine", "Handler/ping", false, false},
		{"handler of FINDNODE, 16 records in 4 packets", "internal/engine", "Handler/findnode", false, false},
		{"handler of TALKREQ", "internal/engine", "Handler/talk", false, false},
		{"whole engine, PING, 1,000 sessions", "internal/engine", "Engine/ping/sessions=1k", false, false},
		{"whole engine, PING, 100,000 sessions", "internal/engine", "Engine/ping/sessions=100k", false, true},
		{"whole engine, FINDNODE, 16 records", "internal/engine", "Engine/findnode/one=16", false, false},
		{"whole engine, new junk", "internal/engine", "Engine/junk/new", false, false},
		{"read 16 records from the table", "table", "Relay16", false, false},
		{"challenge, new", "internal/session", "Challenge/new", false, false},
		{"challenge, repeated", "internal/session", "Challenge/repeated", false, false},
		{"handshake: initiate", "internal/session", "Handshake/initiate", false, false},
		{"handshake: accept, new record", "internal/session", "Handshake/accept/record=new", false, false},
		{"handshake: accept, known record", "internal/session", "Handshake/accept/record=known", false, false},
		{"handshake: accept, new record, without curve arithmetic", "internal/session", "Handshake/rest/record=new", false, false},
		{"handshake: ECDH", "internal/curve", "ECDH", false, false},
		{"handshake: sign", "internal/curve", "Sign", false, false},
		{"handshake: verify", "internal/curve", "Verify", false, false},
		{"handshake: verify with the same key", "internal/curve", "VerifyPoint", false, false},
		{"handshake: public key", "internal/curve", "PublicKey", false, false},
		{"handshake: derive keys", "aead", "DeriveKeys", false, false},
		{"handshake: digest to sign", "aead", "IDSignatureDigest", false, false},
		{"handshake: verify a record", "enr", "Verify", false, false},
	}
}
