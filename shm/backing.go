package shm

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/shoal-ipc/shoal/internal/guardian"
	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/satomic"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// backing is what a segment's memory is made of, and what the kernel does for it.
type backing interface {
	// tryLock takes the segment's structural lock, which the kernel frees when
	// its holder dies; unlock gives it back.
	tryLock() (bool, error)
	unlock() error
	// join makes this process the owner of a participant's slot word, so that
	// its death is marked there; errTaken if another process has it.
	join(slot uint32) (member, error)
	// held reports whether any thread of the participant's process still exists.
	held(slot uint32) (bool, error)
	// markGone marks the word of a participant whose process is gone.
	markGone(slot uint32, word *satomic.Uint32) error
	// grow makes bytes from size from to size to usable.
	grow(from, to int64) error
	// onLoss has f called once memory turned out to be lost: see sys.NewGuard.
	onLoss(f func())
	// hit reports whether memory turned out to be lost.
	hit() bool
	// blank puts zeros into the place of what lies beyond size.
	blank(size int64) error
	// unmap ends the use of the memory. Nothing may touch it afterwards.
	unmap() error
	// close gives back everything else.
	close() error
	// descriptor returns the file of the memory; nil if it has none.
	descriptor() *os.File
}

// member is a slot word that this process owns.
type member interface {
	Release() error
	// Shrunk says that the file has only size bytes left.
	Shrunk(size int64) error
}

var errTaken = errors.New("shm: participant slot is taken")

// fileBacking is a named segment, a memfd, or any regular file.
type fileBacking struct {
	file *os.File // an open file description that nobody else has
	lock *sys.FileLock
	data []byte
	// guard is nil if the file cannot become shorter.
	guard *sys.Guard
}

func newFileBacking(f *os.File) *fileBacking {
	return &fileBacking{file: f, lock: sys.NewFileLock(f)}
}

// byteOf is the byte of the file whose lock proves that a participant's process
// exists: far beyond any data.
func byteOf(slot uint32) int64 { return 1<<62 + int64(slot) }

func wordOf(slot uint32) int64 { return participantsOff + int64(slot-1)*participantSize }

func (b *fileBacking) tryLock() (bool, error) { return b.lock.TryLock() }

func (b *fileBacking) unlock() error { return b.lock.Unlock() }

func (b *fileBacking) join(slot uint32) (member, error) {
	m, err := guardian.Join(b.file, wordOf(slot), byteOf(slot))
	if errors.Is(err, guardian.ErrTaken) {
		return nil, errTaken
	}
	if err != nil {
		return nil, err
	}
	return m, nil
}

func (b *fileBacking) held(slot uint32) (bool, error) { return sys.ByteHeld(b.file, byteOf(slot)) }

func (b *fileBacking) markGone(slot uint32, word *satomic.Uint32) error {
	_, err := guardian.MarkIfGone(b.file, word, byteOf(slot))
	return err
}

func (b *fileBacking) grow(from, to int64) error { return sys.Allocate(b.file, from, to-from) }

// mapAll maps the file, and the address space that it may grow into.
func (b *fileBacking) mapAll(length int64) (mem.Region, error) {
	return b.mapBy(sys.MapFile, length)
}

// mapper is sys.MapFile or sys.MapFileReadOnly.
type mapper func(f *os.File, length int64) ([]byte, error)

func (b *fileBacking) mapBy(m mapper, length int64) (mem.Region, error) {
	data, err := m(b.file, length)
	if err != nil {
		return mem.Region{}, err
	}
	b.data = data
	if sys.Shrinkable(b.file) {
		b.guard = sys.NewGuard(data)
	}
	return mem.FromBytes(data), nil
}

func (b *fileBacking) onLoss(f func()) { b.guard.OnHit(f) }

func (b *fileBacking) hit() bool { return b.guard.Hit() }

func (b *fileBacking) blank(size int64) error { return sys.Blank(b.data, size) }

// open maps the segment in the file, whose name is path, by m. It trusts
// nothing that the file says before it is checked.
func (b *fileBacking) open(m mapper, path string) (*view, fixed, error) {
	fix, err := validate(b.file, path)
	if err != nil {
		return nil, fix, err
	}
	region, err := b.mapBy(m, fix.maxSize)
	if err != nil {
		return nil, fix, err
	}
	v, err := overlay(region, fix)
	if err != nil {
		return nil, fix, corruptSegment(segmentName(path), err)
	}
	v.measure = b.length
	return v, fix, nil
}

// length returns how long the file is.
func (b *fileBacking) length() (int64, error) {
	info, err := sys.Inspect(b.file)
	return info.Size, err
}

func (b *fileBacking) unmap() error {
	if b.data == nil {
		return nil
	}
	data := b.data
	b.data = nil
	b.guard.End()
	return sys.Unmap(data)
}

func (b *fileBacking) close() error { return sys.Drop(b.file) }

func (b *fileBacking) descriptor() *os.File { return b.file }

// Backoff between attempts to take a lock that another process holds.
const (
	firstPause = 50 * time.Microsecond
	lastPause  = 2 * time.Millisecond
)

// longer returns the pause to make after one of d that was too short: little
// more, so that what is waited for is seen soon after it happened.
func longer(d time.Duration) time.Duration { return min(d+d/8, lastPause) }

// lockWith takes the structural lock of b, waiting until ctx is done.
func lockWith(ctx context.Context, b backing) error {
	pause := firstPause
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		ok, err := b.tryLock()
		if err != nil || ok {
			return err
		}
		if err := rest(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, lastPause)
	}
}

// rest waits for d, or until ctx is done.
func rest(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// spaceError turns a failed allocation into a *SpaceError; any other error stays.
func spaceError(err error, segment string, f *os.File, need int64) error {
	if !sys.IsNoSpace(err) {
		return err
	}
	free, freeErr := sys.FreeSpaceOf(f)
	if freeErr != nil {
		free = -1
	}
	return &SpaceError{Segment: segment, Need: need, Free: free, Limit: limitOf(f)}
}

// limitOf says what limits the size of f.
func limitOf(f *os.File) string {
	switch name := f.Name(); {
	case strings.HasPrefix(name, "memfd:"):
		return "memory"
	case filepath.IsAbs(name):
		return "file system of " + filepath.Dir(name)
	}
	return "file system"
}
