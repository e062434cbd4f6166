package scribble_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/sys"
	"github.com/shoal-ipc/shoal/shm"
)

// FuzzSpoiltObject spoils the bytes of one object in a segment that nobody has
// open, opens it and does every operation of the object: errors and wrong data
// are fine; panics, faults, accesses behind the end of the file and calls that
// outlive their contexts are not.
func FuzzSpoiltObject(f *testing.F) {
	dir := fresh(f)
	path := filepath.Join(dir, fileName)
	image, err := os.ReadFile(path)
	if err != nil {
		f.Fatal(err)
	}
	l, err := readLayouts("../../../docs/layout.md")
	if err != nil {
		f.Fatal(err)
	}
	parts, err := partsOf(l, image)
	if err != nil {
		f.Fatal(err)
	}
	place := map[string]part{}
	for _, p := range parts {
		place[p.name] = p
	}
	list := makers()
	for i := range list {
		f.Add(byte(i), []byte{0, 1, 4, 1, 0, 0, 0x80})
		f.Add(byte(i), []byte{0x80, 0, 8, 255, 255, 255, 255, 255, 255, 255, 255, 0x80, 1, 4, 2, 0, 0, 0x20})
		f.Add(byte(i), []byte{0x80, 0, 8, 0, 0, 0, 0, 1, 0, 0, 0, 0, 5, 8, 1, 0, 0, 0, 7, 0, 0, 0})
	}
	f.Fuzz(func(t *testing.T, which byte, changes []byte) {
		m := list[int(which)%len(list)]
		p, ok := place[m.name]
		if !ok {
			t.Fatal("no object", m.name)
		}
		spoilt := append([]byte(nil), image...)
		spoil(spoilt[p.begin:p.end], changes)
		for _, x := range p.targets {
			if isEndless(x) {
				clear(spoilt[x.off : x.off+int64(x.size)])
			}
		}
		// A file of its own: that of the last input may still be mapped.
		if err := errors.Join(os.Remove(path), os.WriteFile(path, spoilt, 0o600)); err != nil {
			t.Fatal(err)
		}
		defer time.AfterFunc(watchdog, func() { panic(m.name + ": a call hangs") }).Stop()
		hits := sys.GuardHits()
		useSpoilt(t, dir, m)
		if sys.GuardHits() != hits {
			t.Errorf("%s: touched memory behind the end of the file", m.name)
		}
	})
}

// spoil makes changes: offset, 2 bytes; length, 1 byte; and the bytes to put there.
func spoil(b, changes []byte) {
	for len(changes) > 3 {
		off, n := int(binary.LittleEndian.Uint16(changes))%len(b), min(int(changes[2]), len(changes)-3)
		copy(b[off:], changes[3:3+n])
		changes = changes[3+n:]
	}
}

func useSpoilt(t *testing.T, dir string, m maker) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	seg, err := shm.Open(ctx, segmentName, &shm.Options{Dir: dir})
	if err != nil {
		return
	}
	defer seg.Close()
	steps, err := m.make(ctx, seg)
	if err != nil {
		return
	}
	for _, s := range append(steps, lookingSteps(seg)...) {
		tryStep(t, s)
	}
}

func tryStep(t *testing.T, s step) {
	t.Helper()
	defer func() {
		if r := recover(); r != nil {
			if err, ok := r.(error); !ok || !errors.Is(err, fs.ErrClosed) {
				t.Errorf("%s panicked: %v\n%s", s.name, r, debug.Stack())
			}
		}
	}()
	ctx, cancel := context.WithTimeout(context.Background(), 500*time.Microsecond)
	defer cancel()
	_ = s.do(ctx) // any error will do
}
