package shm_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

// TestAnonymousKeepsItsLength: the kernel refuses to cut off sealed memory.
func TestAnonymousKeepsItsLength(t *testing.T) {
	seg, err := shm.Anonymous(shm.Spec{})
	if err != nil {
		t.Fatal(err)
	}
	defer seg.Close()
	f, err := seg.File()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if sys.Shrinkable(f) {
		t.Error("the memory is not sealed")
	}
	if err := f.Truncate(0); !errors.Is(err, syscall.EPERM) {
		t.Errorf("truncate: %v, want EPERM", err)
	}
	if err := seg.Check(); err != nil {
		t.Error(err)
	}
}

// TestTruncated: every use of a segment in a process is lost with its file, as is
// one that only looks, and the name is free for a segment that is complete.
func TestTruncated(t *testing.T) {
	if !sys.Probe().Guards {
		t.Skip("no guards here")
	}
	ctx := context.Background()
	opts := &shm.Options{Dir: t.TempDir()}
	first, err := shm.Create(ctx, "s", shm.Spec{Size: 1 << 20}, opts)
	if err != nil {
		t.Fatal(err)
	}
	uses := []*shm.Segment{first, open(ctx, "s", opts), open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})}
	path := filepath.Join(opts.Dir, "s.shoal")
	if err := os.Truncate(path, 8192); err != nil {
		t.Fatal(err)
	}
	for i, seg := range uses {
		_, err1 := seg.Stat()
		_, err2 := seg.Objects()
		_, _, err3 := object.Inside().Open(ctx, seg, mutexRequest("m"))
		for j, err := range []error{err1, err2, err3, seg.Check()} {
			var e *shm.CorruptError
			if !errors.As(err, &e) || e.Segment != "s" || e.Object != "" || e.Field != "size" || e.Got != "8192" || e.Want != "1048576" {
				t.Errorf("use %d, call %d: %v", i, j, err)
			}
		}
		if seg.Name() != "s" || seg.Spec().Size != 1<<20 {
			t.Errorf("use %d forgot what it was", i)
		}
	}
	if _, err := shm.Open(ctx, "s", opts); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("open: %v, want ErrCorrupt", err)
	}
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := first.Check(); !errors.Is(err, shm.ErrCorrupt) {
		t.Errorf("after it became long again: %v, want ErrCorrupt", err)
	}
	if err := shm.Remove("s", opts); err != nil {
		t.Error(err)
	}
	again, err := shm.Create(ctx, "s", shm.Spec{}, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, seg := range append(uses, again) {
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
		if _, err := seg.Stat(); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v, want fs.ErrClosed", err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the last Close left the name: %v", err)
	}
}

// TestTruncatedDeaths: who waits for deaths hears of the end of the segment
// instead, also if nobody else touches it.
func TestTruncatedDeaths(t *testing.T) {
	if !sys.Probe().Guards {
		t.Skip("no guards here")
	}
	for _, readOnly := range []bool{false, true} {
		ctx := context.Background()
		opts := &shm.Options{Dir: t.TempDir()}
		seg, err := shm.Create(ctx, "s", shm.Spec{Lifetime: shm.Persistent}, opts)
		if err != nil {
			t.Fatal(err)
		}
		if readOnly {
			if err := seg.Close(); err != nil {
				t.Fatal(err)
			}
			seg = open(ctx, "s", &shm.Options{Dir: opts.Dir, ReadOnly: true})
		}
		ended := make(chan error, 1)
		deaths := seg.Deaths(ctx)
		go func() {
			for _, err := range deaths {
				ended <- err
			}
		}()
		time.Sleep(20 * time.Millisecond) // it may sleep by now
		if err := os.Truncate(filepath.Join(opts.Dir, "s.shoal"), 0); err != nil {
			t.Fatal(err)
		}
		soon(t, "the wait for deaths", func() {
			if err := <-ended; !errors.Is(err, shm.ErrCorrupt) {
				t.Errorf("read-only %v: %v, want ErrCorrupt", readOnly, err)
			}
		})
		if err := seg.Close(); err != nil {
			t.Error(err)
		}
	}
}
