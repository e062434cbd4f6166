//go:build linux

package sys

import (
	"errors"
	"math"
	"os"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/shoal-ipc/shoal/internal/satomic"
)

// DeathWord is a word of a file that says whether its owner lives, mapped so
// that the kernel can find it: behind a list node that other processes neither
// see nor can write. Its mapping also carries the locks of the open file
// description by which it was made.
type DeathWord struct {
	base       unsafe.Pointer // the page of the node; that of the word is robustDistance behind
	node       unsafe.Pointer // 8 bytes: the address of the next node
	word       *satomic.Uint32
	prev, succ *DeathWord
	linked     bool
	off        int64 // of its page in the file
	guard      *Guard
}

// wordPlaces are the places for death words in this process's memory. They are
// made many at once: a page for nodes alone takes longer to make than the mapping
// of a word. They are never given back.
type wordPlaces struct {
	mu   sync.Mutex
	free []unsafe.Pointer // pages for nodes, with nothing in the place of the word
}

//nolint:gochecknoglobals // a process has one memory
var theWordPlaces wordPlaces

func (p *wordPlaces) take() (unsafe.Pointer, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.free) == 0 {
		if err := p.make(); err != nil {
			return nil, err
		}
	}
	last := len(p.free) - 1
	base := p.free[last]
	p.free = p.free[:last]
	return base, nil
}

func (p *wordPlaces) give(base unsafe.Pointer) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, base)
}

// make makes as many places as there are pages between a node and its word.
func (p *wordPlaces) make() error {
	const size = 2 * robustDistance
	base, err := unix.MmapPtr(-1, 0, nil, size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE)
	if err != nil {
		return err
	}
	// Shared memory for the nodes too: that of a dying process is taken away
	// last, private memory may be gone when the kernel walks the list.
	_, err = unix.MmapPtr(-1, 0, base, robustDistance, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_ANON|unix.MAP_FIXED)
	if err == nil {
		err = keepToSelf(base, robustDistance)
	}
	if err != nil {
		_ = unix.MunmapPtr(base, size)
		return err
	}
	page := os.Getpagesize()
	for off := 0; off < robustDistance; off += page {
		p.free = append(p.free, unsafe.Add(base, off))
	}
	return nil
}

// keepToSelf keeps memory out of children and core dumps.
func keepToSelf(base unsafe.Pointer, size uintptr) error {
	b := unsafe.Slice((*byte)(base), int(size))
	if err := unix.Madvise(b, unix.MADV_DONTFORK); err != nil {
		return err
	}
	return unix.Madvise(b, unix.MADV_DONTDUMP)
}

// MapDeathWord maps the word of f that lies at off, a multiple of 8. The mapping
// keeps the open file description of f alive after f is closed. A forked child
// does not have it, and a core dump does not contain it.
func MapDeathWord(f *os.File, off int64) (*DeathWord, error) {
	page := int64(os.Getpagesize())
	if off < 0 || off%8 != 0 || off > math.MaxInt64-page {
		return nil, fileError("map a word of", f, unix.EINVAL)
	}
	base, err := theWordPlaces.take()
	if err != nil {
		return nil, fileError("map a word of", f, err)
	}
	in := uintptr(off % page)
	d := &DeathWord{base: base, off: off - int64(in)}
	if err := onDescriptor(f, d.mapPage); err != nil {
		return nil, fileError("map a word of", f, errors.Join(err, d.Unmap()))
	}
	if Shrinkable(f) {
		d.guard = NewGuard(d.page())
	}
	d.node = unsafe.Add(base, in)
	d.word = (*satomic.Uint32)(unsafe.Add(base, in+robustDistance))
	return d, nil
}

func (d *DeathWord) mapPage(fd int) error {
	at, page := unsafe.Add(d.base, robustDistance), uintptr(os.Getpagesize())
	if _, err := unix.MmapPtr(fd, d.off, at, page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		return err
	}
	return keepToSelf(at, page)
}

// page returns the memory of the word's page.
func (d *DeathWord) page() []byte {
	return unsafe.Slice((*byte)(unsafe.Add(d.base, robustDistance)), os.Getpagesize())
}

// Word returns the word. It must not be used after Unmap.
func (d *DeathWord) Word() *satomic.Uint32 { return d.word }

// Blank puts memory of this process's own, a word of 0, into the place of the
// word if it lies beyond size, where the file ends now. Else the kernel would
// stop there when it walks a list, and all who touch the word would fault. The
// locks of the open file description end.
func (d *DeathWord) Blank(size int64) error {
	if d.off < size {
		return nil
	}
	return blank(d.page())
}

// Unmap ends the mapping, and with it the locks of its open file description. A
// word that a RobustList has must be released first.
func (d *DeathWord) Unmap() error {
	if d.linked {
		return errors.New("sys: the word is still in a list")
	}
	if d.base == nil {
		return nil
	}
	d.guard.End()
	base := d.base
	at, page := unsafe.Add(base, robustDistance), uintptr(os.Getpagesize())
	d.base, d.node, d.word = nil, nil, nil // the memory may become something else's
	_, err := unix.MmapPtr(-1, 0, at, page, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON|unix.MAP_NORESERVE|unix.MAP_FIXED)
	if err != nil {
		// The locks count more than the place, which is lost.
		return os.NewSyscallError("munmap", unix.MunmapPtr(at, page))
	}
	theWordPlaces.give(base)
	return nil
}
