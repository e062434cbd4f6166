package pipe_test

import (
	"bytes"
	"io"
	"sync"
	"testing"

	"github.com/shoal-ipc/shoal/pipe"
)

// A Write that is longer than the room there is comes in parts, and no other Write
// may come between them: also not one that finds room at once, and not while nobody
// waits yet.
func TestWritesAreNotMixed(t *testing.T) {
	a, b := create(t, anonymous(t), pipe.Spec{Buffer: 128})
	const rounds = 5000
	lines := [][]byte{
		append(bytes.Repeat([]byte("a"), 300), '\n'),
		append(bytes.Repeat([]byte("b"), 100), '\n'),
		append(bytes.Repeat([]byte("c"), 20), '\n'),
	}
	total := 0
	for _, line := range lines {
		total += len(line)
	}
	buf := make([]byte, total)
	for range rounds {
		var wg sync.WaitGroup
		for _, line := range lines {
			wg.Go(func() {
				if n, err := a.Write(line); n != len(line) || err != nil {
					t.Errorf("Write: %d, %v, want %d", n, err, len(line))
				}
			})
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatalf("Read: %v", err)
		}
		wg.Wait()
		for _, line := range lines {
			if !bytes.Contains(buf, line) {
				t.Fatalf("Writes were mixed: %q", buf)
			}
		}
	}
}
