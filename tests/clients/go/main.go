// Probe of client-go: handles, Stream-Seq, and both live modes.
package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"reflect"
	"time"

	ds "github.com/durable-streams/durable-streams/packages/client-go"
)

var ctx = context.Background()

func report(step string) { fmt.Printf("{\"step\":%q}\n", step) }

func check(holds bool, what ...any) {
	if !holds {
		fmt.Fprintln(os.Stderr, what...)
		os.Exit(1)
	}
}

// read returns everything up to the tail, and the tail.
func read(stream *ds.Stream) (items []int, tail ds.Offset) {
	for batch, err := range ds.JSONBatches[int](ctx, stream) {
		check(err == nil, "read:", err)
		items, tail = append(items, batch.Items...), batch.NextOffset
	}
	return items, tail
}

// follow reads on from the last offset when the connection breaks, as an application does.
func follow(stream *ds.Stream, mode ds.LiveMode, offset ds.Offset, arrivals chan<- int) {
	for {
		it := ds.ReadJSON[int](ctx, stream, ds.WithLive(mode), ds.WithOffset(offset))
		for {
			batch, err := it.Next()
			if err != nil {
				break
			}
			for _, item := range batch.Items {
				arrivals <- item
			}
			offset = batch.NextOffset
		}
		it.Close()
		time.Sleep(50 * time.Millisecond) // between two attempts to connect
	}
}

func expect(arrivals <-chan int, items ...int) {
	for _, item := range items {
		select {
		case arrived := <-arrivals:
			check(arrived == item, "arrived:", arrived, "expected:", item)
		case <-time.After(20 * time.Second):
			check(false, "never arrived:", item)
		}
	}
}

func main() {
	stream := ds.NewClient().Stream(os.Args[1] + "/go-probe")
	check(stream.Create(ctx, ds.WithContentType("application/json")) == nil, "create")
	stream.SetContentType("application/json")
	report("create")
	for n := 0; n < 3; n++ {
		_, err := stream.AppendJSON(ctx, n)
		check(err == nil, "append:", err)
	}
	report("append")
	items, _ := read(stream)
	check(reflect.DeepEqual(items, []int{0, 1, 2}), "read:", items)
	report("read")

	// v0.1.0 has no idempotent producer: Stream-Seq is its way to refuse what was sent before.
	_, err := stream.AppendJSON(ctx, 3, ds.WithSeq("0001"))
	check(err == nil, "seq:", err)
	_, err = stream.AppendJSON(ctx, 3, ds.WithSeq("0001"))
	check(errors.Is(err, ds.ErrSeqConflict), "a repeated Stream-Seq:", err)
	items, tail := read(stream)
	check(reflect.DeepEqual(items, []int{0, 1, 2, 3}), "read:", items)
	report("once-by-seq")

	modes := []ds.LiveMode{ds.LiveModeLongPoll, ds.LiveModeSSE}
	arrivals := []chan int{make(chan int, 16), make(chan int, 16)}
	for at, mode := range modes {
		go follow(stream, mode, tail, arrivals[at])
	}
	_, err = stream.AppendJSON(ctx, 4)
	check(err == nil, "append:", err)
	for at, mode := range modes {
		expect(arrivals[at], 4)
		report(string(mode))
	}

	report("kill-me")
	line, _ := bufio.NewReader(os.Stdin).ReadString('\n')
	check(line == "restarted\n", "told:", line)
	for n := 5; n < 7; n++ {
		_, err = stream.AppendJSON(ctx, n)
		check(err == nil, "append after the restart:", err)
	}
	items, _ = read(stream)
	check(reflect.DeepEqual(items, []int{0, 1, 2, 3, 4, 5, 6}), "read:", items)
	report("append-after-restart")
	for at, mode := range modes {
		expect(arrivals[at], 5, 6)
		report(string(mode) + "-resumed")
	}
}
