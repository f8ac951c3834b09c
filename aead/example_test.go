package aead_test

import (
	"crypto/rand"
	"fmt"

	"github.com/fastdisc/discv5/aead"
)

// The example seals a message behind its header, masks, unmasks and opens it, all in the packet's
// buffer.
func Example() {
	rnd, err := aead.NewRandom(rand.Reader)
	if err != nil {
		fmt.Println(err)
		return
	}
	key := [aead.KeySize]byte{1, 2, 3}
	dest := [32]byte{0xbb}
	const headerSize = 23 + 32

	// The sender: masking IV, header, message.
	var counter aead.Counter // one per session key
	nonce := new([aead.NonceSize]byte)
	if !counter.Next(nonce, rnd) {
		fmt.Println("time for a new handshake")
		return
	}
	packet := make([]byte, aead.IVSize+headerSize, 1280)
	iv := (*[aead.IVSize]byte)(packet)
	rnd.Read(iv[:])
	copy(packet[aead.IVSize:], "discv5\x00\x01\x00")
	copy(packet[aead.IVSize+9:], nonce[:])
	packet = aead.NewCipher(&key).Seal(packet, nonce, []byte("ping"), packet)
	header, message := packet[aead.IVSize:aead.IVSize+headerSize], packet[aead.IVSize+headerSize:]
	aead.MaskOnce(header, &dest, iv)

	// The recipient: the first block shows whether this is a discv5 packet.
	mask := aead.NewMask(&dest) // one per worker
	mask.XOR(header[:16], iv, 0)
	fmt.Printf("%q\n", header[:6])
	mask.XOR(header[16:], iv, 16)
	plain, err := aead.NewCipher(&key).Open(message[:0], (*[aead.NonceSize]byte)(header[9:]), message,
		packet[:aead.IVSize+headerSize])
	fmt.Printf("%q %v\n", plain, err)
	// Output:
	// "discv5"
	// "ping" <nil>
}
