package shm

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/shoal-ipc/shoal/internal/mem"
	"github.com/shoal-ipc/shoal/internal/sys"
)

// mostSize bounds the size of a segment: what every 64-bit CPU can map.
const mostSize = 1 << 46

// checkRegular refuses, with an error that is fs.ErrInvalid, what is no regular file.
func checkRegular(f *os.File) error {
	info, err := sys.Inspect(f)
	if err == nil && !info.Mode.IsRegular() {
		err = fmt.Errorf("it is not a regular file: %w", fs.ErrInvalid)
	}
	return err
}

// errHalfMade says that a file is no segment yet.
var errHalfMade = errors.New("segment is half made")

// validate checks the header of the segment in f before anything else of it is
// touched. It needs no lock, also while the segment grows.
func validate(f *os.File, path string) (fixed, error) {
	page := mem.Heap(headerSize)
	b, err := page.Bytes(0, headerSize)
	if err != nil {
		return fixed{}, err
	}
	// A copy: the file may be shorter than a page, and may shrink meanwhile.
	if _, err := f.ReadAt(b, 0); err != nil && err != io.EOF {
		return fixed{}, err
	}
	// Asked after the header was read: a segment that grows is longer first.
	info, err := sys.Inspect(f)
	if err != nil {
		return fixed{}, err
	}
	if info.Size == 0 {
		return fixed{}, errHalfMade
	}
	return readHeader(page, info.Size, segmentName(path))
}

// readHeader checks the header of a file of fileSize bytes, of which r maps at
// least the first page, and returns what it fixes. Nothing else of the file is
// touched before this.
func readHeader(r mem.Region, fileSize int64, name string) (fixed, error) {
	corrupt := func(field string, off int64, got, want any) error {
		return corruptSegment(name, mem.Corrupt(field, off, got, want))
	}
	h, err := mem.At[header](r, 0)
	if err != nil || fileSize < headerSize {
		return fixed{}, corrupt("file size", -1, fileSize, "at least one page")
	}
	if got := h.magic.Load(); got != magic {
		return fixed{}, corrupt("header.magic", 0, hexNum(got), hexNum(uint64(magic)))
	}
	if got := h.order.Load(); got != byteOrder {
		return fixed{}, &IncompatibleError{Segment: name, Field: "byte order", Have: hexNum(got), Want: hexNum(uint32(byteOrder))}
	}
	if got := h.version.Load(); got != layoutVersion {
		return fixed{}, &IncompatibleError{Segment: name, Field: "layout version", Have: num(got), Want: num(layoutVersion)}
	}
	if got := h.ready.Load(); got != readyMark { // pairs with: shm.header.ready (initialize)
		return fixed{}, corrupt("header.ready", 16, hexNum(got), hexNum(uint64(readyMark)))
	}
	f := fixed{
		slots:    int64(h.slots.Load()),
		entries:  int64(h.entries.Load()),
		maxSize:  int64(h.maxSize.Load()),
		lifetime: Lifetime(h.lifetime.Load()),
		backend:  h.backend.Load(),
	}
	if f.slots < 1 || f.slots > maxSlots {
		return fixed{}, corrupt("header.slots", 32, f.slots, "1 to 4095")
	}
	if f.entries < 1 || f.entries > maxEntries {
		return fixed{}, corrupt("header.entries", 36, f.entries, "1 to 1024")
	}
	if got, want := h.specHash.Load(), f.hash(); got != want {
		return fixed{}, corrupt("header.specHash", 104, hexNum(got), hexNum(want))
	}
	if got := h.lifetime.Load(); got < uint32(LastUser) || got > uint32(Persistent) {
		return fixed{}, corrupt("header.lifetime", 72, got, "1 to 3")
	}
	if f.backend != backendNamed && f.backend != backendAnonymous {
		return fixed{}, corrupt("header.backend", 28, f.backend, "1 or 2")
	}
	if f.maxSize <= 0 || f.maxSize > mostSize || f.maxSize%pageSize != 0 {
		return fixed{}, corrupt("header.maxSize", 48, f.maxSize, "whole pages, at most 64 TiB")
	}
	g := newGeometry(f.slots, f.entries)
	if got := int64(h.heapOff.Load()); got != g.heapOff {
		return fixed{}, corrupt("header.heapOff", 56, got, g.heapOff)
	}
	size := int64(h.size.Load())
	if size < g.heapOff || size > f.maxSize {
		return fixed{}, corrupt("header.size", 40, size, "between heapOff and maxSize")
	}
	if fileSize < size {
		return fixed{}, corrupt("file size", -1, fileSize, size)
	}
	return f, nil
}
