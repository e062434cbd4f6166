package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// childLooks opens a segment and looks at it again and again, until it is told
// to stop: a fault would end it.
var childLooks = registerChild("looks", func(args []string) {
	ctx := context.Background()
	opts := &shm.Options{Dir: args[0], ReadOnly: args[1] == "read-only"}
	seg, err := shm.Open(ctx, "s", opts)
	say(err)
	told := make(chan string)
	go func() {
		for {
			told <- hear()
		}
	}()
	for {
		look(ctx, seg)
		select {
		case s := <-told:
			if s != "again" {
				say("stopped")
				return
			}
			look(ctx, seg)
			say("looked")
		default:
		}
	}
})

// look does to a segment all that makes sense of its memory.
func look(ctx context.Context, seg *shm.Segment) {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	exercise(short, seg)
	_, _, err := object.Inside().Create(short, seg, blockRequest("new", 64<<10))
	if !errors.Is(err, fs.ErrPermission) {
		_ = seg.Remove(short, "new")
	}
}

// TestSizeBeyondFile: a header that says that there is more memory than the file
// has does not make anybody touch it.
func TestSizeBeyondFile(t *testing.T) {
	for _, use := range []string{"read-only", "participant"} {
		t.Run(use, func(t *testing.T) {
			opts, memory := kept(t, shm.Spec{Participants: 8, Size: 1 << 20, MaxSize: 64 << 20})
			c := start(t, childLooks, opts.Dir, use)
			if s := c.line(); s != "<nil>" {
				t.Fatal(s)
			}
			memory.word64(offSize).Store(64 << 20)
			memory.word64(offFresh).Store(64 << 20)
			entry := offEntry(8)
			memory.word64(entry + inEntrySize).Store(16 << 20)
			memory.word64(entry + inEntryOff).Store(40 << 20)
			c.tell("again")
			if s := c.line(); s != "looked" {
				t.Errorf("the child said %q", s)
			}
			c.tell("stop")
			if s := c.line(); s != "stopped" {
				t.Errorf("the child said %q", s)
			}
			c.wait()
		})
	}
}

// TestScribbler writes random words all over a segment while processes use it:
// errors are fine, but nobody dies or hangs.
func TestScribbler(t *testing.T) {
	opts, memory := kept(t, shm.Spec{Participants: 8, Size: 1 << 20, MaxSize: 4 << 20})
	var cs []*child
	for _, use := range []string{"read-only", "participant", "participant"} {
		c := start(t, childLooks, opts.Dir, use)
		if s := c.line(); s != "<nil>" {
			t.Fatal(s)
		}
		cs = append(cs, c)
	}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // not a secret
	values := []uint64{0, 1, 2, 1 << 30, 1 << 31, 0xc0000000, 1 << 32, 1<<63 - 1, 1 << 63, 1<<64 - 1, 1 << 20, 4 << 20, 127}
	end := offEntry(8) + 8*192
	for begin := time.Now(); time.Since(begin) < 2*time.Second; {
		var off int64
		switch r.IntN(4) {
		case 0:
			off = r.Int64N(408)
		case 1:
			off = offSlot + r.Int64N(8*sizeSlot)
		case 2:
			off = offEntry(8) + r.Int64N(8*192)
		default:
			off = r.Int64N(end)
		}
		x := values[r.IntN(len(values))]
		if r.IntN(2) == 0 {
			x = r.Uint64()
		}
		w := memory.word64(off &^ 7)
		before := w.Swap(x)
		if r.IntN(2) == 0 {
			w.Store(before)
		}
	}
	for i, c := range cs {
		c.tell("stop")
		soon(t, "the child", func() {
			if s := c.line(); s != "stopped" {
				t.Errorf("child %d said %q", i, s)
			}
			c.wait()
		})
	}
}

// TestBadHeaders: each number of the header that makes no sense is found, also
// if the hash was made to agree.
func TestBadHeaders(t *testing.T) {
	ctx := context.Background()
	for _, tt := range []struct {
		field string
		spoil func(b *bytesOf)
	}{
		{"header.backend", func(b *bytesOf) { b.word32(offBackend).Store(3) }},
		{"header.backend", func(b *bytesOf) { b.word32(offBackend).Store(0) }},
		{"header.lifetime", func(b *bytesOf) { b.word32(offLifetime).Store(257) }},
		{"header.lifetime", func(b *bytesOf) { b.word32(offLifetime).Store(0) }},
		{"header.slots", func(b *bytesOf) { b.word32(offSlots).Store(0) }},
		{"header.slots", func(b *bytesOf) { b.word32(offSlots).Store(4096) }},
		{"header.entries", func(b *bytesOf) { b.word32(offEntries).Store(1025) }},
		{"header.maxSize", func(b *bytesOf) { b.word64(offMaxSize).Store(1 << 62) }},
		{"header.maxSize", func(b *bytesOf) { b.word64(offMaxSize).Store(1<<30 + 1) }},
		{"header.maxSize", func(b *bytesOf) { b.word64(offMaxSize).Store(1 << 63) }},
		{"header.size", func(b *bytesOf) { b.word64(offMaxSize).Store(4096) }},
		{"header.size", func(b *bytesOf) { b.word64(offSize).Store(0) }},
		{"file size", func(b *bytesOf) { b.word64(offSize).Store(2 << 20) }},
		{"header.heapOff", func(b *bytesOf) { b.word32(offSlots).Store(200) }},
	} {
		opts, memory := kept(t, shm.Spec{Participants: 8})
		tt.spoil(memory)
		memory.rehash()
		_, err1 := shm.Open(ctx, "s", opts)
		_, err2 := shm.OpenOrCreate(ctx, "s", shm.Spec{}, opts)
		_, err3 := shm.Open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
		_, err4 := shm.FromFile(ctx, memory.file, nil)
		for i, err := range []error{err1, err2, err3, err4} {
			var e *shm.CorruptError
			if !errors.As(err, &e) || e.Field != tt.field || e.Segment != "s" || e.Object != "" {
				t.Errorf("%s, call %d: %v", tt.field, i+1, err)
			}
		}
		if _, err := shm.Create(ctx, "s", shm.Spec{}, opts); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: create: %v, want fs.ErrExist", tt.field, err)
		}
		if removed, err := shm.Prune(ctx, opts); err != nil || len(removed) != 0 {
			t.Errorf("%s: pruned %v, %v", tt.field, removed, err)
		}
		if err := shm.Remove("s", opts); err != nil {
			t.Errorf("%s: remove: %v", tt.field, err)
		}
	}
}

// TestUnreadableObject: an entry that makes no sense is corrupt, not missing:
// else a second object would get the name.
func TestUnreadableObject(t *testing.T) {
	ctx := context.Background()
	opts, memory := kept(t, shm.Spec{Participants: 8})
	memory.word32(offEntry(8) + inEntryKind).Store(999)
	seg := open(ctx, "s", opts)
	defer seg.Close()
	_, _, err1 := object.Inside().Open(ctx, seg, mutexRequest("m"))
	_, _, err2 := object.Inside().OpenOrCreate(ctx, seg, mutexRequest("m"))
	_, _, err3 := object.Inside().Create(ctx, seg, mutexRequest("m"))
	err4 := seg.Remove(ctx, "m")
	err5 := seg.Check()
	for i, err := range []error{err1, err2, err3, err4, err5} {
		if !errors.Is(err, shm.ErrCorrupt) {
			t.Errorf("call %d: %v, want ErrCorrupt", i+1, err)
		}
	}
}

// TestNotSegments: descriptors of anything but a segment are refused at once.
func TestNotSegments(t *testing.T) {
	ctx := context.Background()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	defer w.Close()
	dir, err := os.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer dir.Close()
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	for _, f := range []*os.File{r, w, dir, null} {
		for _, opts := range []*shm.Options{nil, {ReadOnly: true}} {
			if _, err := shm.FromFile(ctx, f, opts); !errors.Is(err, fs.ErrInvalid) {
				t.Errorf("%s: %v, want fs.ErrInvalid", f.Name(), err)
			}
		}
	}
	empty, err := os.Create(filepath.Join(t.TempDir(), "empty"))
	if err != nil {
		t.Fatal(err)
	}
	defer empty.Close()
	if _, err := shm.FromFile(ctx, empty, nil); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an empty file: %v, want fs.ErrNotExist", err)
	}
	null.Close()
	if _, err := shm.FromFile(ctx, null, nil); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("a closed file: %v, want fs.ErrClosed", err)
	}
}
