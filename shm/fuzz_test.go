package shm_test

import (
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/shoal-ipc/shoal/internal/object"
	"github.com/shoal-ipc/shoal/shm"
)

// FuzzOpen scribbles over a segment that nobody has open. Whoever opens it gets
// an error or a segment, and no call panics, faults or outlives its context.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 255})
	f.Add([]byte{16, 0, 0, 8, 1, 2, 3, 4, 5, 6, 7, 8})
	for _, off := range []uint32{24, 40, 48, 64, 72, 384, 392, 400, 404, 4096, 4100, 4104} {
		f.Add(append(binary.LittleEndian.AppendUint32(nil, off<<8|4), 255, 255, 255, 255))
	}
	dir := f.TempDir()
	opts := &shm.Options{Dir: dir}
	seg, err := shm.Create(context.Background(), "s", shm.Spec{Participants: 4, Lifetime: shm.Persistent, Size: 1 << 20, MaxSize: 2 << 20}, opts)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{"a", "b"} {
		if _, _, err := object.Inside().Create(context.Background(), seg, mutexRequest(name)); err != nil {
			f.Fatal(err)
		}
	}
	if err := seg.Close(); err != nil {
		f.Fatal(err)
	}
	good, err := os.ReadFile(filepath.Join(dir, "s.shoal"))
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(dir, "fuzz.shoal")
	f.Fuzz(func(t *testing.T, script []byte) {
		if err := os.WriteFile(path, scribble(good, script), 0o600); err != nil {
			t.Fatal(err)
		}
		defer func() { _ = os.Remove(path) }()
		ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
		defer cancel()
		if ro, err := shm.Open(ctx, "fuzz", &shm.Options{Dir: dir, ReadOnly: true}); err == nil {
			exercise(ctx, ro)
			_ = ro.Close()
		}
		seg, err := shm.Open(ctx, "fuzz", opts)
		if err != nil {
			return
		}
		exercise(ctx, seg)
		_, _, err = object.Inside().Create(ctx, seg, mutexRequest("new"))
		if err == nil {
			_ = seg.Remove(ctx, "new")
		}
		if err := seg.Close(); err != nil && !errors.Is(err, shm.ErrCorrupt) {
			t.Log(err)
		}
	})
}

// scribble returns data with the changes of script: offset and length, 3 and 1
// bytes, and the bytes to put there.
func scribble(data, script []byte) []byte {
	bad := append([]byte(nil), data...)
	for len(script) > 4 {
		head := binary.LittleEndian.Uint32(script)
		off, n := int(head>>8)%len(bad), min(int(head&0xff), len(script)-4)
		copy(bad[off:], script[4:4+n])
		script = script[4+n:]
	}
	return bad
}

// exercise calls everything that looks at a segment.
func exercise(ctx context.Context, seg *shm.Segment) {
	_, _ = seg.Stat()
	_, _ = seg.Participants()
	_, _ = seg.Objects()
	_, _ = seg.Holds()
	_ = seg.Check()
	for _, name := range []string{"a", "b"} {
		_, _, _ = object.Inside().Open(ctx, seg, mutexRequest(name))
	}
	short, cancel := context.WithTimeout(ctx, time.Millisecond)
	defer cancel()
	for _, err := range seg.Deaths(short) {
		_ = err
	}
}
