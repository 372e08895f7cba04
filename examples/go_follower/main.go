// Prints the messages of a JSON stream as they come, and remembers in a file how far it got.
package main

import (
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"time"
)

const pause = time.Second // between two attempts, where one has failed

// read waits for what comes after the offset, and prints it. It returns the next offset, and
// whether the stream is closed and has been read to its end.
func read(stream, offset string) (string, bool, error) {
	query := url.Values{"live": {"long-poll"}, "offset": {offset}}
	response, err := http.Get(stream + "?" + query.Encode())
	if err != nil {
		return offset, false, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return offset, false, err // printed by the next attempt, whole
	}
	switch response.StatusCode {
	case http.StatusOK:
		var messages []json.RawMessage
		if err := json.Unmarshal(body, &messages); err != nil {
			return offset, false, err
		}
		for _, message := range messages {
			fmt.Println(string(message))
		}
	case http.StatusNoContent: // nothing new within the server's patience
	default:
		return offset, false, fmt.Errorf("%s: %s", response.Status, body)
	}
	head := response.Header
	return head.Get("Stream-Next-Offset"), head.Get("Stream-Closed") == "true", nil
}

// save replaces the file as a whole: a crash leaves the old offset or the new one.
func save(file, offset string) error {
	if err := os.WriteFile(file+".new", []byte(offset), 0o644); err != nil {
		return err
	}
	return os.Rename(file+".new", file)
}

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: follower STREAM_URL OFFSET_FILE")
	}
	stream, file := os.Args[1], os.Args[2]
	offset := "-1"
	if saved, err := os.ReadFile(file); err == nil {
		offset = string(saved)
	}
	for closed := false; !closed; {
		var err error
		if offset, closed, err = read(stream, offset); err != nil {
			log.Println("again, because of:", err)
			time.Sleep(pause)
			continue
		}
		// Saved after the work: after a crash a message may be printed again, and none is lost.
		if err := save(file, offset); err != nil {
			log.Fatal(err)
		}
	}
}
