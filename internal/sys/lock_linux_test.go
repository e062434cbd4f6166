package sys_test

import (
	"errors"
	"io/fs"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/shoal-ipc/shoal/internal/sys"
	"golang.org/x/sys/unix"
)

func mustGet(t *testing.T, l *sys.FileLock) {
	t.Helper()
	if got, err := l.TryLock(); !got || err != nil {
		t.Fatalf("TryLock = %v, %v; want true", got, err)
	}
}

func mustNotGet(t *testing.T, l *sys.FileLock) {
	t.Helper()
	if got, err := l.TryLock(); got || err != nil {
		t.Fatalf("TryLock = %v, %v; want false", got, err)
	}
}

func TestFileLock(t *testing.T) {
	f := fileOf(t, 0)
	a, b := sys.NewFileLock(f), sys.NewFileLock(f)
	before := openDescriptors(t)
	mustGet(t, a)
	mustNotGet(t, a)
	mustNotGet(t, b)
	if err := b.Unlock(); err != nil { // not its lock
		t.Fatal(err)
	}
	mustNotGet(t, b)
	if err := a.Unlock(); err != nil {
		t.Fatal(err)
	}
	mustGet(t, b)
	if err := b.Unlock(); err != nil {
		t.Fatal(err)
	}
	if after := openDescriptors(t); after != before {
		t.Errorf("%d descriptors, were %d", after, before)
	}
	_ = f.Close()
	if ok, err := a.TryLock(); ok || !errors.Is(err, fs.ErrClosed) {
		t.Errorf("lock of a closed file: %v, %v; want fs.ErrClosed", ok, err)
	}
}

// TestFileLockExcludes lets goroutines with locks of their own count together.
func TestFileLockExcludes(t *testing.T) {
	f := fileOf(t, 0)
	const workers, rounds = 4, 50
	var inside, taken atomic.Int32
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			l := sys.NewFileLock(f)
			for n := 0; n < rounds; {
				ok, err := l.TryLock()
				if err != nil {
					t.Error(err)
					return
				}
				if !ok {
					continue
				}
				if inside.Add(1) != 1 {
					t.Error("two are inside")
				}
				inside.Add(-1)
				n++
				taken.Add(1)
				if err := l.Unlock(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() != workers*rounds {
		t.Errorf("taken %d times, want %d", taken.Load(), workers*rounds)
	}
}

// TestFileLockOfTheDead kills a holder.
func TestFileLockOfTheDead(t *testing.T) {
	f := fileOf(t, 0)
	h := startHelper(t, "flock", nil, f.Name())
	h.line(t)
	l := sys.NewFileLock(f)
	mustNotGet(t, l)
	h.kill(t)
	mustGet(t, l)
}

func helpFlock(args []string) error {
	f, err := sys.OpenReadWrite(args[0])
	if err != nil {
		return err
	}
	if ok, err := sys.NewFileLock(f).TryLock(); !ok {
		return errors.Join(errors.New("not got"), err)
	}
	say("held")
	waitForParent()
	return nil
}

func TestByteLock(t *testing.T) {
	f := fileOf(t, 0)
	other, err := sys.Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = other.Close() }()
	reader, err := sys.OpenReadOnly(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	held := func(f *os.File, off int64) bool {
		t.Helper()
		held, err := sys.ByteHeld(f, off)
		if err != nil {
			t.Fatal(err)
		}
		return held
	}
	const off = 1 << 62
	if held(other, off) {
		t.Error("held before anybody took it")
	}
	if ok, err := sys.LockByte(f, off); !ok || err != nil {
		t.Fatalf("LockByte = %v, %v", ok, err)
	}
	if ok, err := sys.LockByte(other, off); ok || err != nil {
		t.Errorf("taken twice: %v, %v", ok, err)
	}
	if ok, err := sys.LockByte(other, off+1); !ok || err != nil {
		t.Errorf("the next byte: %v, %v", ok, err)
	}
	if !held(other, off) || !held(reader, off) || held(f, off) {
		t.Errorf("held: by another %v, by a reader %v, by its own %v; want true, true, false",
			held(other, off), held(reader, off), held(f, off))
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if held(other, off) {
		t.Error("held after its description is gone")
	}
}

// TestByteLockLivesInTheMapping closes every descriptor of the description.
func TestByteLockLivesInTheMapping(t *testing.T) {
	f := fileOf(t, 4096)
	own, err := sys.Reopen(f)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := sys.LockByte(own, 7); !ok || err != nil {
		t.Fatalf("LockByte = %v, %v", ok, err)
	}
	word, err := sys.MapDeathWord(own, 64)
	if err != nil {
		t.Fatal(err)
	}
	if err := own.Close(); err != nil {
		t.Fatal(err)
	}
	if held, err := sys.ByteHeld(f, 7); !held || err != nil {
		t.Errorf("held %v, %v, while mapped", held, err)
	}
	word.Word().Store(42)
	var b [4]byte
	if _, err := f.ReadAt(b[:], 64); err != nil || b[0] != 42 {
		t.Errorf("the file has %v, %v at the word; want 42", b, err)
	}
	if err := word.Unmap(); err != nil {
		t.Fatal(err)
	}
	if held, err := sys.ByteHeld(f, 7); held || err != nil {
		t.Errorf("held %v, %v, after it is unmapped", held, err)
	}
	if err := word.Unmap(); err != nil {
		t.Errorf("unmapping once more: %v", err)
	}
	for _, off := range []int64{-8, 4, 4095} {
		if _, err := sys.MapDeathWord(f, off); !errors.Is(err, unix.EINVAL) {
			t.Errorf("a word at %d: %v, want EINVAL", off, err)
		}
	}
}
