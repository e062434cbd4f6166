package pool_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/pool"
	"github.com/shoal-ipc/shoal/shm"
)

// spoil makes the results of p unreadable: it writes to the memory of their queue, as
// docs/layout.md describes it, a position from which to read that there is not.
func spoil(t *testing.T, p *pool.Pool) {
	t.Helper()
	f, err := p.Segment().File()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	start := make([]byte, 1<<20)
	n, err := f.ReadAt(start, 0)
	if err != nil && n == 0 {
		t.Fatal(err)
	}
	at := bytes.Index(start[:n], append([]byte("results"), make([]byte, 57)...)) - 96
	if at < 0 {
		t.Fatal("no directory entry of the results")
	}
	typeLen := int64(binary.LittleEndian.Uint32(start[at+12:]))
	region := int64(binary.LittleEndian.Uint64(start[at+16:])) + (typeLen+127)/128*128
	var word [8]byte
	if _, err := f.ReadAt(word[:], region+640); err != nil {
		t.Fatal(err)
	}
	pos := binary.LittleEndian.Uint64(word[:]) | 1<<23
	binary.LittleEndian.PutUint64(word[:], pos)
	if _, err := f.WriteAt(word[:], region+640); err != nil {
		t.Fatal(err)
	}
}

// A pool whose results cannot be read fails its tasks, stops trying, also if the
// end of a worker was to come, and can be shut down.
func TestSpoiltResults(t *testing.T) {
	ctx := deadline(t)
	p := mustNew(t, &pool.Options{Workers: 2, Grace: 10 * time.Millisecond})
	first := behave.Go(ctx, p, "wait") // makes somebody take results
	waitUntil(t, func() bool { return len(p.Idle()) == 1 })
	spoil(t, p)
	if err := p.Idle()[0].Kill(); err != nil {
		t.Fatal(err)
	}
	var corrupt *shm.CorruptError
	if _, err := first.Get(ctx); !errors.As(err, &corrupt) {
		t.Errorf("%T %v", err, err)
	}
	waitUntil(t, func() bool { return p.Owed() > 0 }) // the end, which nobody can read
	waitUntil(t, func() bool { return !p.Collects() })
	for range 10000 {
		if p.Collects() {
			t.Fatal("it goes on trying")
		}
	}
	if x, err := square.Call(ctx, p, 3); err == nil {
		t.Error(x)
	}
	if err := p.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}
