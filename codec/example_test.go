package codec_test

import (
	"fmt"
	"log"

	"github.com/fastdisc/discv5/codec"
)

// A PING is encoded, and decoded in place. Package aead encrypts messages.
func ExamplePing() {
	id, err := codec.NewRequestID([]byte{1, 2, 3, 4})
	if err != nil {
		log.Fatal(err)
	}
	ping := codec.Ping{RequestID: id, RecordSeq: 7}
	message := ping.Append(nil)
	fmt.Printf("%x\n", message)

	kind, body, err := codec.SplitMessage(message)
	if err != nil {
		log.Fatal(err)
	}
	var got codec.Ping
	if err := got.Decode(body); err != nil {
		log.Fatal(err)
	}
	fmt.Println(kind, got.RecordSeq)
	// Output:
	// 01c6840102030407
	// PING 7
}
