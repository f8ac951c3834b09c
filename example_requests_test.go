package discv5_test

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/fastdisc/discv5"
)

func ExampleNode_Ping() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	pong, err := client.Ping(ctx, discv5.ContactOf(server.LocalRecord()))
	if err != nil {
		log.Fatal(err) // discv5.ErrTimeout if the server does not answer
	}
	fmt.Println("the server sees us at our address:", pong.Endpoint == client.Addrs()[0])
	fmt.Println("we have its newest record:", pong.RecordSeq == server.LocalRecord().Seq())
	// Output:
	// the server sees us at our address: true
	// we have its newest record: true
}

func ExampleNode_RequestENR() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// An enode URL names a node without its record.
	enode, ok := server.LocalRecord().Enode()
	if !ok {
		log.Fatal("the record names no endpoint")
	}
	contact, err := discv5.ParseContact(enode.String())
	if err != nil {
		log.Fatal(err)
	}
	record, err := client.RequestENR(ctx, contact)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("the record of the server:", record.String() == server.LocalRecord().String())
	// Output: the record of the server: true
}

func ExampleNode_Talk() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// The server has no handler for this protocol, so its response is empty.
	answer, err := client.Talk(ctx, discv5.ContactOf(server.LocalRecord()), "unknown", []byte("hello"))
	fmt.Printf("%q %v\n", answer, err)
	// Output: "" <nil>
}

func ExampleWithTimeout() {
	client, silent := start(nil), start(nil)
	defer client.Close()
	contact := discv5.ContactOf(silent.LocalRecord())
	silent.Close()

	began := time.Now()
	_, err := client.Ping(context.Background(), contact, discv5.WithTimeout(50*time.Millisecond))
	fmt.Println("no answer:", errors.Is(err, discv5.ErrTimeout), "within a minute:", time.Since(began) < time.Minute)
	// Output: no answer: true within a minute: true
}

func ExampleContactAt() {
	server, client := start(nil), start(nil)
	defer server.Close()
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()

	// The server asks the sender of a TALK request back, in the session that it has with it.
	seen := make(chan discv5.Contact, 1)
	server.HandleTalk("hello", func(_ context.Context, r discv5.TalkRequest) []byte {
		seen <- discv5.ContactAt(r.From, r.Addr) // or r.Contact()
		return nil
	})
	if _, err := client.Talk(ctx, discv5.ContactOf(server.LocalRecord()), "hello", nil); err != nil {
		log.Fatal(err)
	}
	_, err := server.Ping(ctx, <-seen)
	fmt.Println("asked back:", err)
	// Output: asked back: <nil>
}

func ExampleNode_RegisterTopic() {
	registrar, err := discv5.New(discv5.Config{ListenAddrs: loopback, Topics: discv5.TopicConfig{Registrar: true}})
	if err != nil {
		log.Fatal(err)
	}
	defer registrar.Close()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := registrar.Start(ctx); err != nil {
		log.Fatal(err)
	}
	player, other := start(nil), start(nil)
	defer player.Close()
	defer other.Close()

	// One registrar, one request at a time. AdvertiseTopic and LookupTopic do this with many
	// registrars, and come back with the ticket when the wait is over.
	chess, to := discv5.TopicOf("example.org/chess"), discv5.ContactOf(registrar.LocalRecord())
	c, err := player.RegisterTopic(ctx, to, chess, nil)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("placed:", c.Placed, "for", c.Wait)
	ads, _, err := other.QueryTopic(ctx, to, chess)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("found the player:", ads[0].ID() == player.ID())
	// Output:
	// placed: true for 15m0s
	// found the player: true
}
